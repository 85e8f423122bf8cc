"""The leaves in which two specs differ, with their places in the files."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from compiler.engine.explain import Place, changes
from compiler.keys import Json
from compiler.spec.declared import Declared

Where = Callable[[Place], str]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One differing leaf: its dotted path, both values, and the place of each (`file:line`).

    `change`: "changed", "added" (only in B) or "removed" (only in A); the value and place of the
    side that has no such leaf are None.
    """

    path: str
    change: str
    old: Json
    new: Json
    old_where: str | None
    new_where: str | None


def compare(old: Declared, new: Declared, old_where: Where, new_where: Where) -> list[FieldChange]:
    """List every differing leaf in the order of the spec; values as validated, with defaults."""
    return [
        FieldChange(
            each.field,
            each.kind,
            _plain(each.old),
            _plain(each.new),
            None if each.kind == "added" else old_where(each.path),
            None if each.kind == "removed" else new_where(each.path),
        )
        for each in changes(old.model_dump(), new.model_dump(), by_item=True)
    ]


def _plain(value: object) -> Json:
    """Convert a value of a spec to JSON: keys become text."""
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(each) for each in value]
    assert value is None or isinstance(value, str | int | float | bool)
    return value
