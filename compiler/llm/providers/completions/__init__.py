"""Servers of the Completions API, such as vLLM, SGLang and llama.cpp: one request per text."""

from __future__ import annotations

from compiler.llm.providers.completions.client import Client
from compiler.llm.providers.completions.live import Completions

__all__ = ["Client", "Completions"]
