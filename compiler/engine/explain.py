"""Why a step is stale: the fields of its key that moved, old value beside new."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Change:
    """One field of a preimage: its dotted path, what it was and what it is (None when absent)."""

    field: str
    old: object
    new: object

    def __str__(self) -> str:
        return f"{self.field}: {_shown(self.old)} -> {_shown(self.new)}"


def changes(old: object, new: object, path: str = "") -> Iterator[Change]:
    """Every leaf that differs between two preimages."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in sorted(old.keys() | new.keys()):
            here = f"{path}.{key}" if path else str(key)
            yield from changes(old.get(key, _ABSENT), new.get(key, _ABSENT), here)
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for index, (left, right) in enumerate(zip(old, new, strict=True)):
            yield from changes(left, right, f"{path}[{index}]")
    elif old != new:
        yield Change(path, None if old is _ABSENT else old, None if new is _ABSENT else new)


def _shown(value: object) -> str:
    if isinstance(value, list):
        return f"{len(value)} items"
    text = value if isinstance(value, str) else repr(value)
    if len(text) == 64 and all(c in "0123456789abcdef" for c in text):
        return text[:12]
    return text if len(text) <= 80 else text[:77] + "..."
