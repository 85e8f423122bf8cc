"""The domain of probes: pure functions over text, independent of LLMs, stores and clocks."""
