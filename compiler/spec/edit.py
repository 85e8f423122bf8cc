"""Edits of a spec file that keep its comments and formatting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import yaml

from compiler.errors import UsageError
from compiler.spec.nodes import Tree


def with_values(text: str, section: str, values: Mapping[str, int | str]) -> str:
    """Return the text of a spec with `values` set in one of its top-level mappings.

    A key that exists is replaced in place; a new key is appended to the mapping, and a new mapping
    to the file. All other characters stay unchanged.

    Raises:
        UsageError: the file is written so that it cannot be edited safely.
    """
    try:
        for name, value in values.items():
            text = _with_value(text, section, name, value)
        found = _plain(text)
    except yaml.YAMLError:
        found = None  # the edit broke the YAML
    there = found.get(section) if isinstance(found, dict) else None
    if not isinstance(there, dict) or any(there.get(n) != v for n, v in values.items()):
        raise UsageError(
            f"{section} cannot be edited in place",
            hint="set " + ", ".join(f"{section}.{n}: {v}" for n, v in values.items()) + " by hand",
        )
    return text


def _with_value(text: str, section: str, name: str, value: int | str) -> str:
    found = _marks(text)
    written = str(value) if isinstance(value, int) else f'"{value}"'
    if (section, name) in found:
        place = found[section, name]
        return text[: place.start] + written + text[place.end :]
    if (section,) in found:
        return _added(text, found, section, f"{name}: {written}")
    end = "" if text.endswith("\n") or not text else "\n"
    return f"{text}{end}{section}: {{{name}: {written}}}\n"


def _added(text: str, found: Mapping[tuple[str, ...], _Mark], section: str, entry: str) -> str:
    """Append an entry to an existing mapping."""
    place = found[(section,)]
    inside = [mark for path, mark in found.items() if len(path) == 2 and path[0] == section]
    if place.flow and not inside:
        return text[: place.start + 1] + entry + text[place.start + 1 :]
    last = max(inside, key=lambda mark: mark.end)
    if place.flow:
        # Directly after the last value, before a comma or comment that may follow it.
        return f"{text[: last.end]}, {entry}{text[last.end :]}"
    line = text.rfind("\n", 0, last.key) + 1
    indent = text[line : last.key]
    # After the line on which the last value ends, including its comment.
    stop = text.find("\n", max(last.end - 1, last.key))
    stop = len(text) if stop < 0 else stop
    return f"{text[:stop]}\n{indent}{entry}{text[stop:]}"


@dataclass(frozen=True, slots=True)
class _Mark:
    """The place of a value in a text: characters `start` to `end`, its key at `key`.

    `flow`: a mapping in braces.
    """

    start: int
    end: int
    key: int
    flow: bool


def _marks(text: str) -> dict[tuple[str, ...], _Mark]:
    """Find the values of the top-level mapping and of the mappings in it, by path."""
    node = yaml.compose(text, Loader=yaml.SafeLoader)
    found: dict[tuple[str, ...], _Mark] = {}
    waiting: list[tuple[tuple[str, ...], yaml.Node | None]] = [((), node)]
    while waiting:
        path, each = waiting.pop()
        for key, value in each.value if isinstance(each, yaml.MappingNode) else ():
            place = (*path, str(key.value))
            flow = isinstance(value, yaml.MappingNode) and bool(value.flow_style)
            start, end = value.start_mark.index, value.end_mark.index
            found[place] = _Mark(start, end, key.start_mark.index, flow)
            if len(place) < 2:
                waiting.append((place, value))
    return found


def _plain(text: str) -> Tree:
    """Parse a YAML text to plain data."""
    found: Tree = yaml.safe_load(text)
    return found
