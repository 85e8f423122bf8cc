"""Requests to language models and their replies. Knows no spec and no probe."""
