"""The wire format: a request as the body of POST /v1/messages, a message as a reply. Pure.

Sampling parameters are sent only where a request names them: the vendor's API refuses them, and its
temperature is 1.0.
"""

from __future__ import annotations

import math

import msgspec

from compiler.errors import ProviderError
from compiler.keys import Json, digest
from compiler.llm.messages import Outcome, Reply, Request

# All parameters that are sent in batches. An unknown one would fail every request of a batch, hours
# later.
PARAMETERS = frozenset({"model", "max_tokens", "system", "messages", "thinking", "output_config"})
_TEXT = ("system", "messages")
_STOPS = {
    "end_turn": Outcome.OK,
    "stop_sequence": Outcome.OK,
    "pause_turn": Outcome.PAUSED,
    "max_tokens": Outcome.TRUNCATED,
    "model_context_window_exceeded": Outcome.TRUNCATED,
    "refusal": Outcome.REFUSED,
}
# Blocks that hold no part of the reply's text.
_ASIDE = ("thinking", "redacted_thinking")


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
        **dict(request.sampling),
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
    text, unexpected = _text(message.get("content"))
    usage = message.get("usage")
    counts = usage if isinstance(usage, dict) else {}
    stop = str(message.get("stop_reason"))
    outcome, error = _STOPS.get(stop, Outcome.UNKNOWN), ""
    if outcome is Outcome.UNKNOWN:
        error = f"unknown stop reason {stop[:80]!r}"
    elif unexpected and outcome in (Outcome.OK, Outcome.TRUNCATED):
        outcome, error = Outcome.UNKNOWN, unexpected
    elif outcome is Outcome.OK and not text.strip():
        outcome, error = Outcome.EMPTY, "the message holds no text"
    return Reply(
        outcome,
        text,
        str(message.get("model", "")),
        stop,
        _count(counts, "input_tokens"),
        _count(counts, "output_tokens"),
        request_id or str(message.get("id", "")),
        error,
        _count(counts, "cache_creation_input_tokens"),
        _count(counts, "cache_read_input_tokens"),
    )


def _text(content: Json) -> tuple[str, str]:
    """Return the text of a message's content, and the first unexpected part of it or ""."""
    if content is None:
        return "", ""
    if not isinstance(content, list):
        return "", "the content is not a list of blocks"
    unexpected = ""
    texts = []
    for block in content:
        kind = block.get("type") if isinstance(block, dict) else None
        # A text of null is no text.
        text = block.get("text") if isinstance(block, dict) else None
        if kind == "text" and isinstance(text, str):
            texts.append(text)
        elif kind not in _ASIDE and not (kind == "text" and text is None):
            unexpected = unexpected or f"a content block of type {str(kind)[:80]!r}"
    return "".join(texts), unexpected


def _count(usage: dict[str, Json], name: str) -> int:
    value = usage.get(name)
    return int(value) if isinstance(value, int | float) and math.isfinite(value) else 0
