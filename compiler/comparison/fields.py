"""The leaves of two specs that differ, each with its places."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from compiler.keys import Json
from compiler.spec.load import dotted
from compiler.spec.model import Spec

Place = tuple["str | int", ...]
Where = Callable[[Place], str]
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One leaf: its dotted path, both values, and where each was written (`file:line`).

    `change`: "changed", "added" (only in B) or "removed" (only in A); the value and place of the
    side that has no such leaf are None.
    """

    path: str
    change: str
    old: Json
    new: Json
    old_where: str | None
    new_where: str | None


def compare(old: Spec, new: Spec, old_where: Where, new_where: Where) -> list[FieldChange]:
    """Every leaf that differs, in the order of the spec; values as validated, defaults included."""
    found = []
    for path, left, right in _leaves(old.model_dump(), new.model_dump(), ()):
        change = "changed"
        if left is _ABSENT or right is _ABSENT:
            change = "added" if left is _ABSENT else "removed"
        found.append(
            FieldChange(
                dotted(path),
                change,
                None if left is _ABSENT else _plain(left),
                None if right is _ABSENT else _plain(right),
                None if left is _ABSENT else old_where(path),
                None if right is _ABSENT else new_where(path),
            )
        )
    return found


def _leaves(old: object, new: object, path: Place) -> Iterator[tuple[Place, object, object]]:
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            yield from _leaves(old.get(key, _ABSENT), new.get(key, _ABSENT), (*path, key))
    elif isinstance(old, list) and isinstance(new, list):
        for index in range(max(len(old), len(new))):
            left = old[index] if index < len(old) else _ABSENT
            right = new[index] if index < len(new) else _ABSENT
            yield from _leaves(left, right, (*path, index))
    elif old != new or type(old) is not type(new):
        yield path, old, new


def _plain(value: object) -> Json:
    """A value of a spec as JSON: keys become text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    assert value is None or isinstance(value, str | int | float | bool)
    return value
