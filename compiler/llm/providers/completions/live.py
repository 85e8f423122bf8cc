"""Completion requests, a bounded number at a time, sent and retried like live messages."""

from __future__ import annotations

from collections.abc import Callable, Iterable, MutableMapping

from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Reply, Request
from compiler.llm.providers.anthropic.live import Live
from compiler.llm.providers.completions import wire
from compiler.llm.providers.completions.client import Client
from compiler.llm.purse import Purse


class Completions(Live):
    """A provider that sends one completion request per call.

    `accounts`: takes the server's account of itself before the first request.
    """

    name = "openai-completions"

    def __init__(
        self,
        client: Client,
        concurrency: int,
        purse: Purse,
        notice: Callable[[str], None],
        elsewhere: Callable[[str], str | None],
        accounts: MutableMapping[str, str],
    ) -> None:
        super().__init__(client, concurrency, purse, notice, elsewhere)
        self._server = client
        self._accounts = accounts

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the Completions API body."""
        return wire.body(request)

    def reply(self, message: dict[str, Json], request_id: str) -> Reply:
        """Return a completion as a reply."""
        return wire.reply(message, request_id)

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Send every call, with the errors of live messages."""
        self._accounts.update(self._server.account())
        super().ask(calls, deliver, commit)
