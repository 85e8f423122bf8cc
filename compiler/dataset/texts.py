"""The rule by which values of a source become text.

Text is read as it is, bytes as UTF-8. An id or a document source may also be a number, a UUID, a
timestamp or a date; equal values become equal text, whatever type holds them.
"""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from uuid import UUID

from msgspec import Struct

# From here on, neighbouring integers are the same double.
INEXACT = 2**53

_NAMES: dict[type[object], str] = {
    bool: "a bool",
    list: "a list",
    dict: "an object",
    int: "an integer",
    float: "a double",
}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class Unread(Struct, frozen=True):
    """A value that is not read as text; `kind` names its type, such as `a list`."""

    kind: str


NAN = Unread("NaN")


def text(value: object) -> str | Unread | None:
    """Return text, or UTF-8 bytes as text; None for null."""
    if value is None or isinstance(value, str | Unread):
        return value
    if isinstance(value, bytes):
        try:
            return value.decode("utf-8")
        except UnicodeDecodeError:
            return Unread("bytes that are not UTF-8")
    return Unread(_NAMES.get(type(value), f"a {type(value).__name__}"))


def name(value: object) -> str | Unread | None:
    """Return an id or a document source as text; None for null.

    An integer keeps every digit. A double or decimal that is whole has no decimal point.
    """
    match value:
        case bool():
            return text(value)
        case int() | UUID():
            return str(value)
        case float():
            return _double(value)
        case Decimal() if value.is_finite():
            digits = f"{value:f}"
            return digits.rstrip("0").rstrip(".") if "." in digits else digits
        case _:
            return text(value)


def _double(value: float) -> str | Unread:
    if math.isnan(value):
        return NAN
    if math.isinf(value):
        return Unread("an infinite double")
    if not value.is_integer():
        return Unread("a double with a fraction")
    if abs(value) >= INEXACT:
        return Unread("a double of 2^53 or above, which does not hold every digit")
    return str(int(value))


def instant(count: int, per_second: int, zoned: bool) -> str | Unread:
    """Return a timestamp as ISO 8601 text, in UTC if `zoned`. `count`: its units since 1970.

    The fraction of a second has no, six or nine digits.
    """
    seconds, rest = divmod(count, per_second)
    nanoseconds = rest * (10**9 // per_second)
    try:
        whole = (_EPOCH + timedelta(seconds=seconds)).replace(tzinfo=None).isoformat()
    except OverflowError:
        return Unread("a timestamp outside of the years 1 to 9999")
    fraction = ""
    if nanoseconds:
        fraction = f".{nanoseconds:09}" if nanoseconds % 1000 else f".{nanoseconds // 1000:06}"
    return f"{whole}{fraction}{'+00:00' if zoned else ''}"


def day(count: int) -> str | Unread:
    """Return a date as ISO 8601 text. `count`: its days since 1970."""
    try:
        return date.fromordinal(_EPOCH.toordinal() + count).isoformat()
    except (OverflowError, ValueError):
        return Unread("a date outside of the years 1 to 9999")
