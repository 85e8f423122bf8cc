"""Responses to messages: the embedded model's text in the API's format, with token usage.

A token counts as four characters. The embedded model needs a sample index, which requests do not
carry, so it is the number of earlier responses to the same params.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from compiler.embedded import respond as embedded
from compiler.errors import ProbecError
from compiler.keys import Json, canonical
from compiler.rehearsal.catalogue import Usage
from compiler.rehearsal.faults import NOTHING, Actions

ECHO = "0.5"
# In tokens. Shorter prefixes are not cached, without an error.
_CACHEABLE = 4096


@dataclass(frozen=True, slots=True)
class Prompt:
    """The prompt text of params.

    `marks`: end of each prefix to cache, in characters, and its lifetime (5m or 1h).
    """

    system: str
    user: str
    marks: tuple[tuple[int, str], ...]

    @property
    def tokens(self) -> int:
        """The length of the prompt in tokens, cached ones included."""
        return max(1, (len(self.system) + len(self.user)) // 4)


@dataclass(frozen=True, slots=True)
class Answer:
    """A message in the API's format, its usage, and the digests of newly cached prefixes."""

    message: dict[str, Json]
    usage: Usage
    prefixes: tuple[bytes, ...]


def params_digest(params: dict[str, object]) -> bytes:
    """Compute the SHA-256 of canonical params, without `stream`.

    Raises:
        ValueError: a text has a lone surrogate, or a number is not finite.
    """
    return hashlib.sha256(
        canonical({name: value for name, value in params.items() if name != "stream"})
    ).digest()


def prompt(params: dict[str, object]) -> Prompt:
    """Extract the prompt of valid params."""
    marks: list[tuple[int, str]] = []
    system = "".join(_texts(params.get("system", ""), 0, marks))
    parts: list[str] = []
    size = len(system)
    messages = params["messages"]
    for message in messages if isinstance(messages, list) else ():
        text = "".join(_texts(message["content"], size, marks))
        size += len(text)
        parts.append(text)
    return Prompt(system, "\n".join(parts), tuple(marks))


def _texts(content: object, start: int, marks: list[tuple[int, str]]) -> Iterator[str]:
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for block in content:
            start += len(block["text"])
            control = block.get("cache_control")
            if control is not None:
                marks.append((start, control.get("ttl", "5m")))
            yield block["text"]


def answer(
    params: dict[str, object],
    digest: bytes,
    sample: int,
    tier: str,
    *,
    echo: bool,
    cached: Callable[[bytes], bool],
    fault: Actions = NOTHING,
) -> Answer:
    """Write the response to valid params.

    `digest`: of the params; `sample`: index of the response among those to the same params.
    `tier`: standard or batch. `echo`: answer with `ECHO`. `cached`: tests the digest of a prefix.
    """
    asked = prompt(params)
    text = fault.text if fault.text is not None else _write(asked.user, sample, echo=echo)
    stop = "end_turn"
    seed = f"{digest.hex()}/{sample}"
    thinking = _thinking(params.get("thinking"), seed)
    room = 4 * (_int(params["max_tokens"]) - thinking)
    if fault.text is None and len(text) // 4 > room // 4:
        text, stop = text[:room], "max_tokens"
    if fault.stop_reason is not None:
        stop = fault.stop_reason
        # Simulates a reply that ran out of tokens.
        if stop == "max_tokens" and fault.text is None:
            text = text[: len(text) // 2]
    usage, prefixes = _usage(asked, text, thinking, str(params["model"]), cached)
    content: list[Json] = [{"type": "text", "text": text}]
    if thinking:
        thought = "The reply follows from the text."
        content.insert(0, {"type": "thinking", "thinking": thought, "signature": digest.hex()[:32]})
    message: dict[str, Json] = {
        "id": "msg_01" + hashlib.sha256(f"{seed}/{tier}".encode()).hexdigest()[:22],
        "type": "message",
        "role": "assistant",
        "model": str(params["model"]),
        "content": content,
        "stop_reason": stop,
        "stop_sequence": None,
        "usage": _wire_usage(usage, tier),
    }
    if stop == "refusal":
        message["stop_details"] = {"type": "refusal", "category": None, "explanation": None}
    return Answer(message, usage, prefixes)


def _write(user: str, sample: int, *, echo: bool) -> str:
    if echo:
        return ECHO
    try:
        return embedded(user, sample)
    except (ProbecError, ValueError, LookupError, ArithmeticError) as error:
        return f"The embedded model cannot read the prompt: {error}"


def _thinking(thinking: object, seed: str) -> int:
    if not isinstance(thinking, dict) or thinking["type"] != "enabled":
        return 0
    drawn = hashlib.sha256(f"thinking/{seed}".encode()).digest()
    return min(int(thinking["budget_tokens"]), 64 + drawn[0])


def _usage(
    asked: Prompt, text: str, thinking: int, model: str, cached: Callable[[bytes], bool]
) -> tuple[Usage, tuple[bytes, ...]]:
    whole = asked.system + asked.user
    read = written = 0
    lifetime = asked.marks[-1][1] if asked.marks else "5m"
    fresh: list[bytes] = []
    for end, _ in asked.marks:
        tokens = end // 4
        if tokens < _CACHEABLE:
            continue
        digest = hashlib.sha256(f"{model}\n{whole[:end]}".encode()).digest()
        if cached(digest):
            read, written = tokens, 0
        else:
            written = tokens - read
            fresh.append(digest)
    output = len(text) // 4 + thinking
    plain = asked.tokens - read - written
    return Usage(plain, output, thinking, written, read, lifetime), tuple(fresh)


def _wire_usage(usage: Usage, tier: str) -> dict[str, Json]:
    return {
        "input_tokens": usage.input,
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.thinking},
        "cache_creation_input_tokens": usage.written,
        "cache_read_input_tokens": usage.read,
        "cache_creation": {
            f"ephemeral_{lifetime}_input_tokens": (
                usage.written if usage.lifetime == lifetime else 0
            )
            for lifetime in ("5m", "1h")
        },
        "service_tier": tier,
    }


def _int(value: object) -> int:
    assert isinstance(value, int)
    return value


def events(message: dict[str, Json]) -> Iterator[bytes]:
    """Yield a message as server-sent events."""
    usage = message["usage"]
    content = message["content"]
    assert isinstance(usage, dict)
    assert isinstance(content, list)
    head: dict[str, Json] = {
        **message,
        "content": [],
        "stop_reason": None,
        "usage": {**usage, "output_tokens": 1, "output_tokens_details": None},
    }
    head.pop("stop_details", None)
    yield _event("message_start", {"message": head})
    for index, block in enumerate(content):
        assert isinstance(block, dict)
        kind = str(block["type"])
        empty: dict[str, Json] = {"type": kind, kind: ""}
        if kind == "thinking":
            empty["signature"] = ""
        yield _event("content_block_start", {"index": index, "content_block": empty})
        text = str(block[kind])
        step = max(1, -(-len(text) // 3))
        for start in range(0, len(text), step):
            piece: Json = {"type": f"{kind}_delta", kind: text[start : start + step]}
            yield _event("content_block_delta", {"index": index, "delta": piece})
        if kind == "thinking":
            signed: Json = {"type": "signature_delta", "signature": block["signature"]}
            yield _event("content_block_delta", {"index": index, "delta": signed})
        yield _event("content_block_stop", {"index": index})
    end: dict[str, Json] = {"stop_reason": message["stop_reason"], "stop_sequence": None}
    if "stop_details" in message:
        end["stop_details"] = message["stop_details"]
    spent: Json = {
        name: usage[name]
        for name in (
            "input_tokens",
            "output_tokens",
            "output_tokens_details",
            "cache_creation_input_tokens",
            "cache_read_input_tokens",
        )
    }
    yield _event("message_delta", {"delta": end, "usage": spent})
    yield _event("message_stop", {})


def _event(name: str, data: dict[str, Json]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode({"type": name, **data}))
