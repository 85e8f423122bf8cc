"""Answers only from the response log: whatever reaches this provider was never paid for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Reply, Request
from compiler.llm.providers.anthropic import messages_body


class Replay:
    """Encodes as the Messages API does, so that replies paid for there are found again."""

    name = "replay"
    free = True

    def encode(self, request: Request) -> dict[str, Json]:
        """The Messages API body."""
        return messages_body(request)

    def ask(self, calls: Sequence[Call], deliver: Callable[[Call, Reply], None]) -> None:
        """Refuse: there is nobody to ask."""
        raise ProviderError(
            f"{len(calls)} replies are not in the response log, the first is {calls[0].key[:12]}",
            hint="replay finds what was asked through the Messages API; bring the log that has it",
        )
