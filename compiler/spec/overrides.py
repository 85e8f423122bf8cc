"""Overrides `--set PATH=VALUE`: edits of the merged data of a spec before it is validated.

A path is keys joined by dots, with list indices in brackets: `rounds[0].docs`. A key that holds a
dot is in double quotes: `prices."model-1.5".input`.
"""

from __future__ import annotations

import re

from msgspec import Struct

from compiler.errors import Problem, UsageError
from compiler.spec.nodes import Path_, Reader, Scalar, Tree, spelled

QUOTING = 'a key that holds a dot is quoted: prices."model-1.5".input'

_KEY = r'(?:"[^"]+"|[^.\[\]"=]+)'
_PATH = re.compile(rf"\s*({_KEY}(?:\[-?[0-9]{{1,9}}\]|\.{_KEY})*)\s*")
_PART = re.compile(r'"([^"]+)"|([^.\[\]"]+)')
_INDEX = re.compile(r"-?[0-9]{1,9}")


class Override(Struct, frozen=True):
    """One `--set`: the place that it sets, and the text of its value."""

    name: str
    path: Path_
    value: str

    def apply(
        self,
        tree: dict[Scalar, Tree],
        lines: dict[Path_, str],
        problems: list[Problem],
        broken: set[Path_],
    ) -> None:
        """Set the value in a tree, and its place in `lines`; report where that is impossible."""
        where = f"--set {self.name}"
        reader = Reader(where, lined=False)
        value = reader.read(self.value, self.path)
        problems.extend(reader.problems)
        broken.update(reader.broken)
        place: Tree = tree
        for index, part in enumerate(self.path):
            quoted = _quoted(place, self.path, index)
            if quoted is not None:
                message = f"no key {part!r} here"
                problems.append(Problem(where, self.name, message, f"write {quoted}"))
                return
            if index == len(self.path) - 1:
                break
            nested = step(place, part)
            between = self.path[index:-1]
            # Only mappings are made, so nothing is where an index would lead below a new key.
            if nested is None and isinstance(place, dict) and not _indexed(between):
                nested = {}
                place[part] = nested
            if not isinstance(nested, (dict, list)):
                message = f"no mapping or list at {part!r}"
                hint = f"check the path; {QUOTING}"
                if nested is not None:
                    hint = f"set {spelled(self.path[: index + 1])} itself; {QUOTING}"
                problems.append(Problem(where, self.name, message, hint))
                return
            place = nested
        last = self.path[-1]
        if not _assign(place, last, value):
            problems.append(Problem(where, self.name, f"no element {last!r}", "check the path"))
            return
        for known in [known for known in lines if known[: len(self.path)] == self.path]:
            del lines[known]
        lines[self.path] = where


def parse(text: str) -> Override:
    """Parse the argument of `--set`.

    Raises:
        UsageError: it is not `path=value`.
    """
    match = _PATH.match(text)
    if match is not None and text[match.end() : match.end() + 1] == "=":
        name = match[1].strip()
        path = tuple(_part(*found) for found in _PART.findall(name))
        return Override(name, path, text[match.end() + 1 :])
    name, equals, _ = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text!r} is not path=value", hint="--set calibration.level=-1")
    hint = QUOTING if '"' in name else "such as rounds[0].docs"
    raise UsageError(f"--set {name!r} is not a path", hint=hint)


def step(place: Tree, part: str | int) -> Tree:
    """Return the value of a key or index, None if there is none."""
    if isinstance(place, dict):
        return place.get(part)
    if isinstance(place, list) and isinstance(part, int) and 0 <= part < len(place):
        return place[part]
    return None


def _part(quoted: str, plain: str) -> str | int:
    plain = plain.strip()
    return quoted or (int(plain) if _INDEX.fullmatch(plain) else plain)


def _quoted(place: Tree, path: Path_, index: int) -> str | None:
    """Return the path with quotes where its next keys, joined by dots, are one key of a mapping."""
    for key in place if isinstance(place, dict) else ():
        if isinstance(key, str) and "." in key and path[index] != key:
            end = index + key.count(".") + 1
            if ".".join(str(part) for part in path[index:end]) == key:
                return spelled((*path[:index], key, *path[end:]))
    return None


def _indexed(path: Path_) -> bool:
    return any(isinstance(part, int) for part in path)


def _assign(place: Tree, last: str | int, value: Tree) -> bool:
    if isinstance(place, dict):
        place[last] = value
        return True
    if isinstance(place, list) and isinstance(last, int) and 0 <= last < len(place):
        place[last] = value
        return True
    return False
