"""The Messages API, live and in batches. Only `client` imports the SDK."""
