"""Canonical JSON, and the digests over it that identify steps, rows and requests.

A digest is SHA-256 over canonical JSON of `[SCHEME, kind, payload]`: keys sorted, no spaces, UTF-8.
A value without an exact JSON form is refused with its path instead of being converted to text, so
different values never share a key by accident. `tests/golden/keys.json` pins examples.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import math
import sys
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    import msgspec

SCHEME = "probec/1"

_SCALARS = frozenset((str, int, bool, type(None)))
_ENCODER = json.JSONEncoder(sort_keys=True, ensure_ascii=False, separators=(",", ":"))

Json: TypeAlias = "str | int | float | bool | None | list[Json] | dict[str, Json]"


def dotted(path: Sequence[str | int]) -> str:
    """`("rounds", 0, "docs")` as `rounds[0].docs`."""
    out = ""
    for part in path:
        out += f"[{part}]" if isinstance(part, int) else f".{part}" if out else part
    return out


def canonical(value: object) -> bytes:
    """Return the canonical JSON bytes of `value`.

    Raises:
        TypeError: something in it is not str, int, float, bool, None, list or dict[str, ...].
        ValueError: a float is not finite, or a str holds a lone surrogate.
    """
    # The two encoders differ only in exponents of floats; lone surrogates are refused below. A
    # no-op build makes too few keys to repay the import of msgspec.
    if "msgspec" in sys.modules and _without_exponent(value):
        with contextlib.suppress(UnicodeEncodeError):
            return _quick().encode(value)
    _refuse_inexact(value, "$")
    return _ENCODER.encode(value).encode("utf-8")


def digest(kind: str, payload: object) -> str:
    """Return the identity of `payload` among values of `kind`: 64 lower-case hex digits."""
    return hashlib.sha256(canonical([SCHEME, kind, payload])).hexdigest()


def digests(kind: str, payloads: Sequence[str]) -> list[str]:
    """Return the identity of each of many texts among values of `kind`, as `digest` does."""
    lines = _quick().encode_lines([[SCHEME, kind, each] for each in payloads]).splitlines()
    return [hashlib.sha256(line).hexdigest() for line in lines]


def bytes_digest(data: bytes) -> str:
    """Return the SHA-256 of raw bytes as 64 lower-case hex digits."""
    return hashlib.sha256(data).hexdigest()


def text_digest(text: str) -> str:
    """Return the SHA-256 of `text` in UTF-8 as 64 lower-case hex digits."""
    return bytes_digest(text.encode("utf-8"))


def request_key(body: bytes, sample: int) -> str:
    """Return the key of one call: the digest of its exact wire body and its sample index."""
    # `digest("request", {"body": ..., "sample": ...})` inlined: a build makes millions of them.
    payload = f'["{SCHEME}","request",{{"body":"{bytes_digest(body)}","sample":{sample:d}}}]'
    return bytes_digest(payload.encode("ascii"))


@cache
def _quick() -> msgspec.json.Encoder:
    import msgspec

    return msgspec.json.Encoder(order="deterministic")


def _without_exponent(value: object) -> bool:
    """Return whether a value has an exact JSON form and no float that is written with an exponent.

    Both encoders write floats from 1e-4 to 1e16 as the same decimals.
    """
    kind = type(value)
    if kind is dict:
        return all(type(key) is str and _without_exponent(item) for key, item in value.items())  # pyrefly: ignore[missing-attribute]
    if kind is list:
        return all(map(_without_exponent, value))  # pyrefly: ignore[bad-argument-type]
    if isinstance(value, float):
        return kind is float and (value == 0.0 or 1e-4 <= abs(value) < 1e16)
    return kind in _SCALARS


def _refuse_inexact(value: object, path: str) -> None:
    kind = type(value)
    if kind is str:
        _refuse_surrogates(str(value), path)
    elif kind is float:
        if not math.isfinite(value):  # pyrefly: ignore[bad-argument-type]
            raise ValueError(f"{path}: {value!r} has no exact JSON form")
    elif kind is dict:
        for key, item in value.items():  # pyrefly: ignore[missing-attribute]
            if type(key) is not str:
                raise TypeError(f"{path}: key {key!r} is not a string")
            _refuse_surrogates(key, path)
            _refuse_inexact(item, f"{path}.{key}")
    elif kind is list:
        for index, item in enumerate(value):  # pyrefly: ignore[not-iterable]
            _refuse_inexact(item, f"{path}[{index}]")
    elif value is not None and kind is not int and kind is not bool:
        raise TypeError(f"{path}: {kind.__name__} has no canonical JSON form")


def _refuse_surrogates(text: str, path: str) -> None:
    if not text.isascii():
        try:
            text.encode("utf-8")
        except UnicodeEncodeError as error:
            raise ValueError(f"{path}: lone surrogate at {error.start}") from None
