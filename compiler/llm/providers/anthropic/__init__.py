"""The Messages API, live and in batches. Only `client` imports the SDK."""

from __future__ import annotations

from compiler.llm.providers.anthropic.batch import Batch, BatchSettings
from compiler.llm.providers.anthropic.checkup import Finding, environment, server
from compiler.llm.providers.anthropic.live import Live
from compiler.llm.providers.anthropic.wire import messages_body

__all__ = ["Batch", "BatchSettings", "Finding", "Live", "environment", "messages_body", "server"]
