"""The wire format: a request as the body of POST /v1/messages, a message as a reply. Pure.

`temperature` is never sent: the current API version refuses sampling parameters, and 1.0 is its
default.
"""

from __future__ import annotations

import msgspec

from compiler.errors import ProviderError
from compiler.keys import Json, digest
from compiler.llm.messages import Outcome, Reply, Request

# All parameters that are sent. An unknown one would fail every request of a batch, hours later.
PARAMETERS = frozenset({"model", "max_tokens", "system", "messages", "thinking", "output_config"})
_TEXT = ("system", "messages")
_STOPS = {
    "max_tokens": Outcome.TRUNCATED,
    "model_context_window_exceeded": Outcome.TRUNCATED,
    "refusal": Outcome.REFUSED,
}


def messages_body(request: Request) -> dict[str, Json]:
    """Return the body of POST /v1/messages for a request."""
    system: Json = request.system
    if request.cache is not None:
        system = [
            {
                "type": "text",
                "text": request.system,
                "cache_control": {"type": "ephemeral", "ttl": request.cache},
            }
        ]
    body: dict[str, Json] = {
        "model": request.model,
        "max_tokens": request.max_tokens,
        "system": system,
        "messages": [{"role": "user", "content": request.user}],
    }
    if request.thinking_tokens is not None:
        body["thinking"] = {"type": "enabled", "budget_tokens": request.thinking_tokens}
    if request.schema is not None:
        body["output_config"] = {"format": {"type": "json_schema", "schema": request.schema}}
    return body


class Shapes:
    """The shapes of a run's bodies: digests of all that the API validates, except the texts.

    Bodies are canonical, so their parameters are compared as bytes, and a text is decoded only in
    the first body of its shape.
    """

    def __init__(self) -> None:
        self._known: dict[tuple[tuple[str, bytes], ...], str] = {}
        self._decoder = msgspec.json.Decoder(dict[str, msgspec.Raw])

    def of(self, body: bytes) -> str:
        """Return the shape of a body.

        Raises:
            ProviderError: the body has parameters that the API refuses.
        """
        raw = self._decoder.decode(body)
        head = tuple(
            (name, bytes(memoryview(value)[:1] if name in _TEXT else value))
            for name, value in raw.items()
        )
        if head not in self._known:
            self._known[head] = self._shape(body)
        return self._known[head]

    @staticmethod
    def _shape(body: bytes) -> str:
        value: dict[str, Json] = msgspec.json.decode(body)
        unknown = value.keys() - PARAMETERS
        if unknown:
            raise ProviderError(
                f"parameters that the API refuses: {', '.join(sorted(unknown))}",
                hint="this is a bug in probec: please report it",
            )
        bare = {name: each for name, each in value.items() if name not in _TEXT}
        return digest("shape", {**bare, "cached": isinstance(value.get("system"), list)})


def reply(message: dict[str, Json], request_id: str) -> Reply:
    """Return a message of the API as a reply; fields that the server omits are empty or 0.

    A message without usage counts as free; only self-hosted servers omit it.
    """
    content = message.get("content")
    blocks = content if isinstance(content, list) else []
    text = "".join(
        [
            str(block.get("text", ""))
            for block in blocks
            if isinstance(block, dict) and block.get("type") == "text"
        ]
    )
    usage = message.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    stop = str(message.get("stop_reason"))
    return Reply(
        _STOPS.get(stop, Outcome.OK),
        text,
        str(message.get("model", "")),
        stop,
        _count(counts, "input_tokens"),
        _count(counts, "output_tokens"),
        request_id or str(message.get("id", "")),
        "",
        _count(counts, "cache_creation_input_tokens"),
        _count(counts, "cache_read_input_tokens"),
    )


def _count(usage: dict[str, Json], name: str) -> int:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) else 0
