"""HTTP servers of models: requests, and responses or failures as plain values. No retries."""
