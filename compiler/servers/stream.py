"""A streamed message, assembled from its server-sent events as it would come in one response."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from typing import cast

import msgspec

from compiler.keys import Json
from compiler.servers.failure import Failure

# The fields of a block that grow, by the type of the delta.
_GROWING = {"text_delta": "text", "thinking_delta": "thinking"}


def message(chunks: Iterable[bytes]) -> dict[str, Json]:
    """Assemble the message of a stream.

    Raises:
        Failure: the stream holds an error, no message, or only a part of one.
    """
    found: dict[str, Json] | None = None
    for event in _events(chunks):
        kind = event.get("type")
        if kind == "error":
            error = _object(event.get("error"))
            name = str(error.get("type", "error"))
            text = f"{name} in the stream: {error.get('message', '')}"
            raise Failure(text, status=200, kind=name)
        if kind == "message_start":
            found = _object(event.get("message"))
        elif found is not None and kind == "message_stop":
            break
        elif found is not None:
            _grow(found, str(kind), event)
    if found is None:
        raise Failure("the server's response is not a message")
    if found.get("stop_reason") is None:
        raise Failure("the server's response was cut off")
    return found


def decoded(data: bytes) -> object:
    """Decode JSON; NaN, lone surrogates and numbers beyond a double are accepted.

    Raises:
        ValueError: the data is not JSON.
    """
    try:
        return msgspec.json.decode(data)
    except ValueError:
        # Six times slower, and tolerant of what some servers send.
        return json.loads(data)


def _grow(found: dict[str, Json], kind: str, event: dict[str, Json]) -> None:
    """Apply one event to the message."""
    delta = _object(event.get("delta"))
    if kind == "message_delta":
        found.update(delta)
        usage = {**_object(found.get("usage")), **_object(event.get("usage"))}
        found["usage"] = cast(Json, usage)
        return
    content = found.get("content")
    blocks = content if isinstance(content, list) else []
    found["content"] = blocks
    if kind == "content_block_start":
        blocks.append(_object(event.get("content_block")))
    field = _GROWING.get(str(delta.get("type")))
    if kind == "content_block_delta" and field is not None:
        if not blocks:
            # Some servers send no start of a block.
            blocks.append({"type": field})
        index = event.get("index")
        index = index if isinstance(index, int) and 0 <= index < len(blocks) else -1
        block = _object(blocks[index])
        block[field] = f"{block.get(field) or ''}{delta.get(field) or ''}"
        blocks[index] = block


def _events(chunks: Iterable[bytes]) -> Iterator[dict[str, Json]]:
    """Yield the data of each event. Only LF and CRLF end a line, which text may not hold."""
    rest, data = b"", b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            line = line.rstrip(b"\r")
            if line.startswith(b"data:"):
                data += line[5:].strip()
            elif not line and data:
                yield _event(data)
                data = b""
    if data:
        yield _event(data)


def _event(data: bytes) -> dict[str, Json]:
    if data == b"[DONE]":
        return {}
    try:
        return _object(decoded(data))
    except ValueError as error:
        raise Failure(f"an event of the stream cannot be decoded: {error}") from error


def _object(value: object) -> dict[str, Json]:
    return value if isinstance(value, dict) else {}
