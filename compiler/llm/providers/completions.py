"""Servers of the Completions API, such as vLLM, SGLang and llama.cpp: one request per text.

Requests are sent, a bounded number at a time, and retried like live messages.
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable, MutableMapping

from compiler.keys import Json
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.anthropic.live import Live
from compiler.llm.purse import Purse
from compiler.servers.completions import Client

_KEY = "OPENAI_API_KEY"
# A server fills in what a body omits, some from files of the model, so nothing is left to it.
_FIXED: dict[str, Json] = {
    "n": 1,
    "echo": False,
    "stream": False,
    "ignore_eos": False,
    "skip_special_tokens": True,
}
_ENDS = {"stop": Outcome.OK, "length": Outcome.TRUNCATED}


def client(base_url: str | None, patience: float) -> Client:
    """Return the client of a server; a key in OPENAI_API_KEY is sent if it is set."""
    return Client(base_url, patience, os.environ.get(_KEY))


class Completions(Live):
    """A provider that sends one completion request per call.

    `accounts`: takes the server's account of itself before the first request.
    """

    name = "openai-completions"

    def __init__(
        self,
        server: Client,
        concurrency: int,
        purse: Purse,
        notice: Callable[[str], None],
        journal: Journal,
        clock: Clock,
        accounts: MutableMapping[str, str],
    ) -> None:
        super().__init__(server, concurrency, purse, notice, journal, clock)
        self._server = server
        self._accounts = accounts

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the Completions API body."""
        return completion_body(request)

    def reply(self, message: dict[str, Json], request_id: str) -> Reply:
        """Return a completion as a reply."""
        return completion_reply(message, request_id)

    def model_path(self, role: str) -> str:
        """Return the path of the source model's settings, whose spec has no other model."""
        return "model"

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Send every call, with the errors of live messages."""
        self._accounts.update(self._server.account())
        super().ask(calls, deliver, commit)


def completion_body(request: Request) -> dict[str, Json]:
    """Return the body of POST /v1/completions.

    The penalty on repetition is sent under the names of vLLM and of llama.cpp; each ignores the
    other's.
    """
    parameters = dict(request.sampling)
    return {
        **_FIXED,
        "model": request.model,
        "prompt": request.user,
        "max_tokens": request.max_tokens,
        "repeat_penalty": parameters.get("repetition_penalty", 1.0),
        **parameters,
    }


def completion_reply(completion: dict[str, Json], request_id: str) -> Reply:
    """Return a completion as a reply."""
    choices = completion.get("choices")
    choice = choices[0] if isinstance(choices, list) and choices else {}
    choice = choice if isinstance(choice, dict) else {}
    text, finish = choice.get("text"), str(choice.get("finish_reason"))
    outcome, error = _ENDS.get(finish, Outcome.UNKNOWN), ""
    if not isinstance(text, str):
        outcome, error, text = Outcome.UNKNOWN, "the completion has no text", ""
    elif outcome is Outcome.UNKNOWN:
        error = f"unknown reason of the end {finish[:80]!r}"
    elif not text:
        outcome, error = Outcome.EMPTY, "the completion is empty"
    usage = completion.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    return Reply(
        outcome,
        text,
        str(completion.get("model", "")),
        finish,
        _count(counts, "prompt_tokens"),
        _count(counts, "completion_tokens"),
        request_id,
        error,
    )


def _count(usage: dict[str, Json], name: str) -> int:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
