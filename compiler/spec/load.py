"""YAML text -> Spec, or problems with their file and line.

With `edit`, the only module that imports yaml. Duplicate keys are refused, `extends` goes one level
deep, and `--set path=value` edits the merged tree before it is validated, so an override is part of
the build's identity like any other value.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import yaml
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from compiler.errors import Problem, SpecError, UsageError
from compiler.keys import dotted
from compiler.spec.model import Spec
from compiler.spec.root import project_root

Scalar: TypeAlias = "str | int | float | bool | None"
Tree: TypeAlias = "Scalar | list[Tree] | dict[Scalar, Tree]"
Path_: TypeAlias = tuple["str | int", ...]

_HINTS = {
    "extra_forbidden": "remove it, or see `probec schema` for the keys that exist",
    "missing": "add it",
}


@dataclass(frozen=True)
class Draft:
    """A spec as read: the merged data, the place of every value, and the problems found.

    `files`: the spec and its parent. `spec` is None if the data is not valid.
    """

    path: Path
    files: tuple[Path, ...]
    root: Path
    tree: dict[Scalar, Tree]
    lines: dict[Path_, str]
    problems: list[Problem]
    spec: Spec | None

    def where(self, *path: str | int) -> str:
        """Return `file:line` of the value at `path`, or of its nearest written parent."""
        return _nearest(self.lines, path, str(self.path))

    def at(self, *path: str | int) -> Tree:
        """Return the value at `path`, None if there is none."""
        place: Tree = self.tree
        for part in path:
            place = _step(place, part)
        return place


@dataclass
class _Reader:
    """A reader of YAML nodes as plain data, with the place of each value."""

    label: str
    lines: dict[Path_, str] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)
    line: int = 1
    seen: set[int] = field(default_factory=set)

    def read(self, text: str) -> Tree:
        loader: yaml.SafeLoader | None = None
        try:
            loader = yaml.SafeLoader(text)
            node = loader.get_single_node()
            return None if node is None else self._value(loader, node, ())
        except (ValueError, TypeError, RecursionError) as error:
            what = "nested too deeply" if isinstance(error, RecursionError) else str(error)
            where = f"{self.label}:{self.line}"
            self.problems.append(Problem(where, "", f"not a value: {what}", "fix it, or quote it"))
            return None
        except yaml.YAMLError as error:
            mark = getattr(error, "problem_mark", None)
            line = mark.line + 1 if mark is not None else 1
            what = getattr(error, "problem", None) or str(error)
            self.problems.append(
                Problem(f"{self.label}:{line}", "", f"not valid YAML: {what}", "fix the syntax")
            )
            return None
        finally:
            if loader is not None:
                loader.dispose()

    def _value(self, loader: yaml.SafeLoader, node: yaml.Node, path: Path_) -> Tree:
        self.line = node.start_mark.line + 1
        self.lines[path] = f"{self.label}:{self.line}"
        if id(node) in self.seen:
            self.problems.append(
                Problem(self.lines[path], dotted(path), "a YAML alias", "write the value out")
            )
            return None
        self.seen.add(id(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(loader, node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self._value(loader, item, (*path, i)) for i, item in enumerate(node.value)]
        scalar: Scalar = loader.construct_object(node)
        if isinstance(scalar, str):
            scalar.encode("utf-8")
        return scalar

    def _mapping(self, loader: yaml.SafeLoader, node: yaml.MappingNode, path: Path_) -> Tree:
        found: dict[Scalar, Tree] = {}
        for key_node, value_node in node.value:
            self.line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise TypeError("a key is text or a number")
            key: Scalar = loader.construct_object(key_node)
            here = (*path, key if isinstance(key, int) else str(key))
            line = f"{self.label}:{key_node.start_mark.line + 1}"
            if key in found:
                first = self.lines[here].rpartition(":")[2]
                self.problems.append(
                    Problem(line, dotted(here), "duplicate key", f"it is also on line {first}")
                )
                continue
            found[key] = self._value(loader, value_node, here)
            self.lines[here] = line
        return found


def read(path: Path, overrides: Sequence[str] = (), rehearse_source: str | None = None) -> Draft:
    """Read, merge, override and validate the spec at `path`; the result holds the problems.

    `rehearse_source`: take the documents from this path instead, and the tokenizers from
    `rehearsal.tokenizer`. The caller scales the rounds, because it can count the documents.

    Raises:
        SpecError: the file is not a YAML mapping.
        UsageError: the file cannot be read, or an override is not `path=value`.
    """
    tree, lines, problems = _read_file(path)
    files = [path]
    if isinstance(tree, dict) and "extends" in tree:
        tree, lines = _extend(tree, lines, files, problems)
    if not problems and not isinstance(tree, dict):
        problems.append(Problem(f"{path}:1", "", "a spec is a mapping", "see specs/demo.yaml"))
    if not isinstance(tree, dict):
        raise SpecError(problems)
    for override in overrides:
        _override(tree, lines, override, problems)
    if rehearse_source is not None:
        _rehearse(tree, lines, rehearse_source)
    spec = _validate(tree, lines, path, problems)
    draft = Draft(path, tuple(files), project_root(path), tree, lines, problems, spec)
    problems.extend(_slots(draft))
    return draft


def _slots(draft: Draft) -> list[Problem]:
    """Check the rules that span scopes, on plain data, so that other problems do not hide them."""
    scopes = draft.at("scopes")
    found: list[Problem] = []
    if not isinstance(scopes, dict):
        return found
    counts: dict[str, int] = {}
    orders: dict[int | None, str] = {}
    for name, scope in scopes.items():
        if not isinstance(scope, dict):
            continue
        slots, order = scope.get("slots"), scope.get("order")
        if isinstance(slots, int):
            counts[str(name)] = slots
        if isinstance(order, int) and order in orders:
            place = draft.where("scopes", str(name), "order")
            path = f"scopes.{name}.order"
            found.append(
                Problem(place, path, f"{orders[order]} also has order {order}", "make it unique")
            )
        orders[order if isinstance(order, int) else None] = str(name)
    total = draft.at("slots_per_document")
    if isinstance(total, int) and len(counts) == len(scopes) and sum(counts.values()) != total:
        parts = " + ".join(f"{name} {slots}" for name, slots in counts.items())
        found.append(
            Problem(
                _within(draft.lines, ("scopes",), str(draft.path)),
                "scopes",
                f"slots sum to {sum(counts.values())} ({parts}), slots_per_document is {total}",
                "make them equal",
            )
        )
    return found


def _read_file(path: Path) -> tuple[Tree, dict[Path_, str], list[Problem]]:
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UsageError("no such spec", where=str(path), hint="check the path") from None
    except UnicodeDecodeError as error:
        raise UsageError(
            f"not UTF-8 at byte {error.start}", where=str(path), hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    reader = _Reader(str(path))
    return reader.read(text), reader.lines, reader.problems


def _extend(
    tree: dict[Scalar, Tree],
    lines: dict[Path_, str],
    files: list[Path],
    problems: list[Problem],
) -> tuple[Tree, dict[Path_, str]]:
    (path,) = files
    parent = tree.pop("extends")
    where = lines.pop(("extends",))
    if not isinstance(parent, str) or len(parent) > 255 or not (path.parent / parent).is_file():
        problems.append(Problem(where, "extends", f"no such file {parent!r}", "a path beside this"))
        return tree, lines
    files.append(path.parent / parent)
    base, base_lines, base_problems = _read_file(files[-1])
    problems.extend(base_problems)
    if not isinstance(base, dict):
        return tree, lines
    if "extends" in base:
        problems.append(
            Problem(base_lines[("extends",)], "extends", "one level only", "inline the parent")
        )
        base.pop("extends")
    return _merge(base, tree), {**base_lines, **lines}


def _merge(base: Tree, child: Tree) -> Tree:
    if isinstance(base, dict) and isinstance(child, dict):
        merged = dict(base)
        for key, value in child.items():
            merged[key] = _merge(base[key], value) if key in base else value
        return merged
    return child


def _override(
    tree: dict[Scalar, Tree], lines: dict[Path_, str], text: str, problems: list[Problem]
) -> None:
    name, equals, raw = text.partition("=")
    if not equals or not name.strip():
        raise UsageError(f"--set {text!r} is not path=value", hint="--set calibration.level=-1")
    where = f"--set {name}"
    reader = _Reader(where)
    value = reader.read(raw)
    problems.extend(reader.problems)
    path = _parse_path(name)
    place: Tree = tree
    for part in path[:-1]:
        nested = _step(place, part)
        if nested is None and isinstance(place, dict) and isinstance(part, str):
            nested = {}
            place[part] = nested
        if not isinstance(nested, dict | list):
            problems.append(
                Problem(where, name, f"no mapping or list at {part!r}", "check the path")
            )
            return
        place = nested
    last = path[-1]
    if not _assign(place, last, value):
        problems.append(Problem(where, name, f"no element {last!r}", "check the path"))
        return
    for known in [known for known in lines if known[: len(path)] == path]:
        del lines[known]
    lines[path] = where


def _assign(place: Tree, last: str | int, value: Tree) -> bool:
    if isinstance(place, dict):
        place[last] = value
        return True
    if isinstance(place, list) and isinstance(last, int) and 0 <= last < len(place):
        place[last] = value
        return True
    return False


_DOTTED = re.compile(r"[^.\[\]]+(\[-?[0-9]{1,9}\]|\.[^.\[\]]+)*")
_INDEX = re.compile(r"-?[0-9]{1,9}")


def _parse_path(name: str) -> Path_:
    if not _DOTTED.fullmatch(name.strip()):
        raise UsageError(f"--set {name!r} is not a path", hint="such as rounds[0].docs")
    parts = re.findall(r"[^.\[\]]+", name.strip())
    return tuple(int(part) if _INDEX.fullmatch(part) else part for part in parts)


def _step(place: Tree, part: str | int) -> Tree:
    if isinstance(place, dict):
        return place.get(part)
    if isinstance(place, list) and isinstance(part, int) and 0 <= part < len(place):
        return place[part]
    return None


def _rehearse(tree: dict[Scalar, Tree], lines: dict[Path_, str], path: str) -> None:
    rehearsal = tree.get("rehearsal")
    stand_in = rehearsal.get("tokenizer") if isinstance(rehearsal, dict) else None
    source = tree.get("source")
    if isinstance(source, dict):
        source.update({"path": path, "revision": None, "tokenizer": stand_in})
        # The file may come from any model, so the card must not name the declared one.
        source["model"] = "unknown (rehearsal)"
        source.update({"license": None, "homepage": None})
        for key in ("path", "tokenizer"):
            lines["source", key] = "--source"
    scopes = tree.get("scopes")
    for scope in scopes.values() if isinstance(scopes, dict) else ():
        if isinstance(scope, dict) and scope.get("tokenizer") is not None:
            scope["tokenizer"] = stand_in
    if isinstance(tree.get("name"), str):
        tree["name"] = f"{tree['name']}-rehearsal"


def _validate(
    tree: Tree, lines: dict[Path_, str], path: Path, problems: list[Problem]
) -> Spec | None:
    try:
        return Spec.model_validate(tree)
    except ValidationError as error:
        problems.extend(_problem(detail, lines, path) for detail in error.errors(include_url=False))
        return None


def _problem(detail: ErrorDetails, lines: dict[Path_, str], path: Path) -> Problem:
    # Discriminated unions add the tag, and dict keys add "[key]": neither is part of the path.
    raw = [part for part in detail["loc"] if part != "[key]"]
    loc = tuple(part for i, part in enumerate(raw) if not _is_tag(raw, i))
    message = detail["msg"].removeprefix("Value error, ")
    if detail["type"] == "literal_error" or detail["type"] == "union_tag_invalid":
        expected = detail.get("ctx", {}).get("expected") or detail.get("ctx", {}).get(
            "expected_tags", ""
        )
        return _at(
            lines, loc, path, f"unknown value {_shown(detail['input'])}", f"have: {expected}"
        )
    if detail["type"] == "extra_forbidden":
        return _at(lines, loc, path, "unknown key", _HINTS["extra_forbidden"])
    if detail["type"] == "missing":
        return _at(lines, loc, path, "required key is missing", _HINTS["missing"])
    message = message[:1].lower() + message[1:]
    if detail["type"] == "value_error":
        return Problem(_within(lines, loc, str(path)), dotted(loc), message, "")
    return _at(lines, loc, path, message, f"got {_shown(detail['input'])}")


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_tag(loc: Sequence[str | int], index: int) -> bool:
    return index == 2 and loc[0] == "scopes" and loc[2] in ("template", "written")


def _at(lines: dict[Path_, str], loc: Path_, path: Path, message: str, hint: str) -> Problem:
    return Problem(_nearest(lines, loc, str(path)), dotted(loc), message, hint)


def _nearest(lines: dict[Path_, str], path: Sequence[str | int], fallback: str) -> str:
    for length in range(len(path), -1, -1):
        line = lines.get(tuple(path[:length]))
        if line is not None:
            return line
    return fallback


def _within(lines: dict[Path_, str], path: Path_, fallback: str) -> str:
    """Return the place of an inconsistent value, and the overrides below it that may cause it."""
    size = len(path)
    below = (
        line
        for inner, line in lines.items()
        if line.startswith("--") and 0 < size < len(inner) and inner[:size] == path
    )
    return ", ".join(dict.fromkeys([_nearest(lines, path, fallback), *below]))


def place(problem: Problem) -> tuple[str, int, str]:
    """Return a key that sorts problems by file and line."""
    file, _, line = problem.where.rpartition(":")
    return (file, int(line), problem.path) if line.isdigit() else (problem.where, 0, problem.path)
