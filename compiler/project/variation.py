"""The differences of a variant from its spec as written, which name its dataset.

The dataset of a variant has a directory, heads and round locks of its own, so that it never
replaces that of the spec; steps and replies are shared, because their keys hold what they depend
on. The name follows from the resolved values alone: overrides in another order, or with the spec's
own values, give the same name.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

from compiler.engine.store import plain
from compiler.keys import Json, digest
from compiler.spec.load import Draft

_LONGEST = 48
_DIGITS = 8
_Change = tuple[tuple[str, ...], Json]


def suffix(written: Draft, varied: Draft) -> str:
    """Return the suffix that a variant's dataset adds to the name of its spec; "" for none.

    `~`, which no name of a spec holds, then the changed values and a digest of all of them.
    """
    own, other = written.spec, varied.spec
    if own is not None and other is not None and own.kind == other.kind:
        from compiler.stages import KINDS

        kind = KINDS[own.kind]()
        changed = _changes(kind.files(own, other), kind.files(other, other), ())
    else:
        # A spec that is only valid with overrides has no other dataset.
        changed = _changes(plain(written.tree), plain(varied.tree), ())
    changes = [_relative(each, varied.root) for each in changed]
    if not changes:
        return ""
    payload: Json = [[list(path), value] for path, value in changes]
    short = digest("variation", payload)[:_DIGITS]
    label = _label(changes)
    return f"~{label}-{short}" if label else f"~{short}"


def _changes(before: Json, after: Json, path: tuple[str, ...]) -> Iterator[_Change]:
    """Yield every changed value with its path; a removed key has the value null."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            yield from _changes(before.get(key), after.get(key), (*path, key))
    elif before != after or type(before) is not type(after):
        yield path, after


def _relative(change: _Change, root: Path) -> _Change:
    """Shorten the path of a source in the project, so that a copy of it gives the same name."""
    path, value = change
    if path == ("source", "path") and isinstance(value, str):
        value = value.removeprefix(f"{root.resolve()}/")
    return path, value


def _label(changes: list[_Change]) -> str:
    """Return the changed values in characters that are safe in every path, cut to a length."""
    items: dict[str, None] = {}
    # A substituted source changes several values, of which its path says most.
    for path, value in sorted(changes, key=lambda each: each[0] != ("source", "path")):
        if path == ("name",) or value is None:
            continue
        text = value if isinstance(value, str) else json.dumps(value)
        if path == ("source", "path"):
            text = text.rstrip("/").rpartition("/")[2]
        item = re.sub(r"[^A-Za-z0-9._+-]+", "-", text).strip("-.")
        items[f"{re.sub(r'[^A-Za-z0-9_-]+', '-', path[-1])}={item}"] = None
    return ",".join(items)[:_LONGEST].rstrip(",=-.")
