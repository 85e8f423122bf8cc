"""Differences of two trees of plain data, leaf by leaf, such as those that make a step stale."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import zip_longest
from typing import Literal, TypeAlias

from msgspec import Struct

from compiler.keys import dotted

Place: TypeAlias = "tuple[str | int, ...]"
_ABSENT = object()


class Change(Struct, frozen=True, order=True):
    """One leaf that differs: its path and both values, None on the side that does not have it.

    Changes of the same two trees sort by path.
    """

    path: Place
    kind: Literal["changed", "added", "removed"]
    old: object
    new: object

    @property
    def field(self) -> str:
        """The path as text."""
        return dotted(self.path)

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.old)} -> {_shown(self.new)}"


def changes(old: object, new: object, *, by_item: bool = False) -> Iterator[Change]:
    """Every leaf that differs in value or type, in the order of `old`, then of `new`.

    Two lists of different lengths are one leaf, or are compared item by item with `by_item`.
    """
    return _changes(old, new, by_item, ())


def _changes(old: object, new: object, by_item: bool, path: Place) -> Iterator[Change]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            left, right = old.get(key, _ABSENT), new.get(key, _ABSENT)
            yield from _changes(left, right, by_item, (*path, key))
    elif (
        isinstance(old, (list, tuple))
        and isinstance(new, (list, tuple))
        and (by_item or len(old) == len(new))
    ):
        for index, (left, right) in enumerate(zip_longest(old, new, fillvalue=_ABSENT)):
            yield from _changes(left, right, by_item, (*path, index))
    elif old is _ABSENT:
        yield Change(path, "added", None, new)
    elif new is _ABSENT:
        yield Change(path, "removed", old, None)
    elif old != new or type(old) is not type(new):
        yield Change(path, "changed", old, new)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} items"
    text = value if isinstance(value, str) else repr(value)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:12]
    return text if len(text) <= 80 else text[:77] + "..."
