"""A request's wire body as readable text, for diffs."""

from __future__ import annotations

import json
from collections.abc import Iterator

from compiler.keys import Json


def text(body: bytes) -> str:
    """Format a body as `path: value` lines, followed by each long text under its path."""
    leaves = list(_leaves(json.loads(body), ""))
    short = [f"{path}: {_line(value)}" for path, value in leaves if not _long(value)]
    long = [f"----- {path} -----\n{value}" for path, value in leaves if _long(value)]
    return "\n".join([*short, *long])


def _leaves(value: Json, path: str) -> Iterator[tuple[str, Json]]:
    if isinstance(value, dict) and value:
        for key, each in value.items():
            yield from _leaves(each, f"{path}.{key}" if path else key)
    elif isinstance(value, list) and value:
        for index, each in enumerate(value):
            yield from _leaves(each, f"{path}[{index}]")
    else:
        yield path, value


def _long(value: Json) -> bool:
    return isinstance(value, str) and ("\n" in value or len(value) > 80)


def _line(value: Json) -> str:
    # Quoted, to distinguish text from numbers.
    return json.dumps(value, ensure_ascii=False)
