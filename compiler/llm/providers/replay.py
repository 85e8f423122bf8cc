"""Replay from the response log alone: a call that reaches this provider has no logged reply."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Request
from compiler.llm.providers.anthropic.wire import messages_body


class Replay:
    """A provider that sends no requests and has the request keys of another.

    `encoded`: the other's `encode`; by default that of the Messages API.
    """

    name = "replay"
    free = True
    max_bytes = 1 << 30

    def __init__(self, encoded: Callable[[Request], dict[str, Json]] = messages_body) -> None:
        self._encoded = encoded

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the wire body, as the other provider sends it."""
        return self._encoded(request)

    def unsettled(self) -> bool:
        """Return False, because nothing is ever sent."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Raise ProviderError, because the log has no reply to these calls."""
        keys = [each.key for each in calls]
        raise ProviderError(
            f"{len(keys):,} replies are not in the response log; the first is {keys[0][:12]}",
            hint="replay finds replies of the Messages API; copy the response log that has them",
        )
