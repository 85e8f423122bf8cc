"""Decoding of JSON that a language model wrote, by a ladder of increasingly lenient attempts.

strict -> raw control characters in strings allowed -> unfenced -> repaired; the rung that succeeded
is recorded. The last rung, json-repair, guesses, so its result is checked against the raw text: a
string that does not occur there, whitespace and escapes ignored, was invented, and the reply is
rejected.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

_UNICODE = re.compile(r"\\u([0-9a-fA-F]{4})")
# Invalid JSON, integers of thousands of digits, nesting beyond the recursion limit.
_UNREADABLE = (ValueError, RecursionError)
Rung = Literal["strict", "lenient", "unfenced", "repaired"]


@dataclass(frozen=True, slots=True)
class Decoded:
    """A JSON value and the rung that decoded it."""

    value: object
    rung: Rung


def decode(text: str) -> Decoded | None:
    """Return the JSON object in a reply, or None if none can be decoded and trusted."""
    for rung, candidate, strict in _rungs(text):
        try:
            value = json.loads(candidate, strict=strict)
        except _UNREADABLE:
            continue
        if isinstance(value, dict):
            return Decoded(value, rung)
    return _repaired(text)


def _rungs(text: str) -> Iterator[tuple[Rung, str, bool]]:
    body = text.strip()
    yield "strict", body, True
    yield "lenient", body, False
    inner = _object(body)
    if inner is not None:
        yield "unfenced", inner, False
        # Prose after the object may hold braces of its own.
        with contextlib.suppress(*_UNREADABLE):
            _, end = json.JSONDecoder(strict=False).raw_decode(inner)
            yield "unfenced", inner[:end], False


def _object(text: str) -> str | None:
    """Return the text from the first brace to the last, without fences and prose around it."""
    start, end = text.find("{"), text.rfind("}")
    return text[start : end + 1] if 0 <= start < end else None


def _repaired(text: str) -> Decoded | None:
    inner = _object(text.strip())
    if inner is None:
        return None
    from json_repair import repair_json

    try:
        value = repair_json(inner, return_objects=True, skip_json_loads=True)
    except _UNREADABLE:
        return None
    if not isinstance(value, dict) or not value:
        return None
    raw = _flat(inner)
    invented = any(_flat(string) not in raw for string in _strings(value))
    return None if invented else Decoded(value, "repaired")


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _strings(key)
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _flat(text: str) -> str:
    """Return a text with Unicode escapes decoded, without other escapes and whitespace."""
    text = _UNICODE.sub(lambda found: chr(int(found[1], 16)), text)
    unescaped = text.replace("\\n", "").replace("\\t", "").replace("\\r", "").replace("\\", "")
    return "".join(unescaped.split())
