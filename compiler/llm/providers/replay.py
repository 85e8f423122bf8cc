"""Answers only from the response log: whatever reaches this provider was never paid for."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Request
from compiler.llm.providers.anthropic.wire import messages_body


class Replay:
    """Encodes as the provider that was asked did, so that its replies are found again.

    `encoded`: how that one encodes; the Messages API's way unless told.
    """

    name = "replay"
    free = True
    max_bytes = 1 << 30

    def __init__(self, encoded: Callable[[Request], dict[str, Json]] = messages_body) -> None:
        self._encoded = encoded

    def encode(self, request: Request) -> dict[str, Json]:
        """The body that was sent."""
        return self._encoded(request)

    def unsettled(self) -> bool:
        """Never: what was asked was answered."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Refuse: there is nobody to ask."""
        keys = [each.key for each in calls]
        raise ProviderError(
            f"{len(keys):,} replies are not in the response log, the first is {keys[0][:12]}",
            hint="replay finds what was asked through the Messages API; bring the log that has it",
        )
