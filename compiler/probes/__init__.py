"""The domain: pure functions from text to probes. Knows no LLM, no store and no clock."""
