"""Requests to language models and their replies, independent of specs and probes."""
