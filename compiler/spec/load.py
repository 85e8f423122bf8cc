"""YAML text -> spec, or problems with their file and line.

`extends` goes one level deep, and `--set path=value` edits the merged tree before it is validated,
so an override is part of the build's identity like any other value.
"""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from pathlib import Path

from msgspec import Struct
from pydantic import ValidationError
from pydantic_core import ErrorDetails

from compiler import shipped
from compiler.errors import Problem, SpecError, UsageError, known, nearest, nearest_file
from compiler.spec import mistakes
from compiler.spec import overrides as options
from compiler.spec.declared import KINDS, Declared
from compiler.spec.nodes import Path_, Reader, Scalar, Tree, spelled
from compiler.spec.rollouts import RolloutsSpec
from compiler.spec.root import SUFFIXES, project_root, require

_UNKNOWN = "remove it, or see `probec schema` for the keys that exist"
_MISSING = ("required key is missing", "add it")


class Draft(Struct, frozen=True):
    """A spec as read: the merged data, the place of every value, and the problems found.

    `files`: the spec and its parent. `spec` is None if the data is not valid.
    """

    path: Path
    files: tuple[Path, ...]
    root: Path
    tree: dict[Scalar, Tree]
    lines: dict[Path_, str]
    problems: list[Problem]
    spec: Declared | None

    def where(self, *path: str | int) -> str:
        """Return `file:line` of the value at `path`, or of its nearest written parent."""
        return _nearest(self.lines, path, str(self.path))

    def at(self, *path: str | int) -> Tree:
        """Return the value at `path`, None if there is none."""
        place: Tree = self.tree
        for part in path:
            place = options.step(place, part)
        return place


def read(path: Path, overrides: Sequence[str] = (), rehearse_source: str | None = None) -> Draft:
    """Read, merge, override and validate the spec at `path`; the result holds the problems.

    `rehearse_source`: take the documents from this path instead, and the tokenizers from
    `rehearsal.tokenizer` unless an override names one. The caller scales the rounds, because it can
    count the documents.

    Raises:
        SpecError: the file is not a YAML mapping.
        UsageError: the file cannot be read, or an override is not `path=value`.
    """
    edits = [options.parse(override) for override in overrides]
    reader, tree = _read_file(path)
    problems, broken = reader.problems, reader.broken
    if not isinstance(tree, dict):
        raise SpecError(problems or [_no_mapping(path, tree)])
    files = [path]
    if "extends" in tree:
        merged = _extend(tree, reader, files)
        if merged is None:
            root = project_root(path)
            return Draft(path, tuple(files), root, {}, reader.lines, problems, None)
        tree = merged
    lines = reader.lines
    for edit in edits:
        edit.apply(tree, lines, problems, broken)
    if rehearse_source is not None:
        _rehearse(tree, lines, rehearse_source, {edit.path for edit in edits})
    else:
        files += _chain(tree, lines, project_root(path), problems, broken)
    spec = _validate(tree, lines, path, problems, broken)
    draft = Draft(path, tuple(files), project_root(path), tree, lines, problems, spec)
    problems.extend(_slots(draft))
    return draft


def _no_mapping(path: Path, tree: Tree) -> Problem:
    found = "the file is empty" if tree is None else "this is a list or one value"
    return Problem(f"{path}:1", "", f"a spec is a mapping, but {found}", "see specs/demo.yaml")


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


def _read_file(path: Path) -> tuple[Reader, Tree]:
    try:
        text = require(path).read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise UsageError(
            f"not UTF-8 at byte {error.start}", where=str(path), hint="save it as UTF-8"
        ) from None
    except OSError as error:
        raise UsageError(f"cannot be read: {error.strerror}", where=str(path)) from None
    reader = Reader(str(path))
    return reader, reader.read(text)


def _extend(
    tree: dict[Scalar, Tree], reader: Reader, files: list[Path]
) -> dict[Scalar, Tree] | None:
    """Merge a spec into the base that it extends.

    None: there is no such base, which is reported; what the spec lacks then follows from that.
    """
    (path,) = files
    name = tree.pop("extends")
    where = reader.lines.pop(("extends",))
    if ("extends",) in reader.broken:
        return None
    wrong = _no_base(path, name)
    if wrong is not None:
        reader.problems.append(Problem(where, "extends", *wrong))
        return None
    files.append(_base(path, str(name)))
    base_reader, base = _read_file(files[-1])
    if not isinstance(base, dict):
        reader.problems.extend(base_reader.problems or [_no_mapping(files[-1], base)])
        return None
    reader.problems.extend(base_reader.problems)
    reader.broken.update(base_reader.broken)
    if "extends" in base:
        line = base_reader.lines[("extends",)]
        reader.problems.append(Problem(line, "extends", "one level only", "inline the parent"))
        return None
    reader.lines = {**base_reader.lines, **reader.lines}
    merged = _merge(base, tree)
    assert isinstance(merged, dict)
    return merged


def _no_base(path: Path, name: Tree) -> tuple[str, str] | None:
    """Explain why a spec cannot extend a file, with the remedy."""
    beside = "a path beside this"
    if not isinstance(name, str) or not name.strip():
        shown = "null" if name is None else _shown(name)
        return f"{shown} names no file", f"{beside}, or remove the key"
    if len(name) > 255 or "\0" in name:
        return f"no such file {_shown(name)}", beside
    base = _base(path, name)
    if base.is_dir():
        return f"{name!r} is a directory", "the path of a file"
    if not base.is_file():
        if path.is_symlink():
            beside = f"{beside}, which is a link to {path.resolve()}"
        near = nearest_file(name, SUFFIXES, path.parent)
        return f"no such file {name!r}", f"{near}{beside}"
    if base.resolve() == path.resolve():
        return "a spec cannot extend itself", "remove the key"
    return None


def _base(path: Path, name: str) -> Path:
    """Return the file that a spec extends: the one beside it, else the shipped one of that path."""
    beside = path.parent / name
    root, place = project_root(path), Path(os.path.abspath(beside))
    if beside.exists() or not place.is_relative_to(root):
        return beside
    found = shipped.find(root, place.relative_to(root).as_posix())
    return found if found != place else beside


def _merge(base: Tree, child: Tree) -> Tree:
    if isinstance(base, dict) and isinstance(child, dict):
        merged = dict(base)
        for key, value in child.items():
            merged[key] = _merge(base[key], value) if key in base else value
        return merged
    return child


def _chain(
    tree: dict[Scalar, Tree],
    lines: dict[Path_, str],
    root: Path,
    problems: list[Problem],
    broken: set[Path_],
) -> list[Path]:
    """Take the source of a spec from the spec of rollouts that it names; return that spec's files.

    Path, model, tokenizer and license follow from that spec, and must not be given.
    """
    source = tree.get("source")
    named = source.get("rollouts") if isinstance(source, dict) else None
    if not isinstance(source, dict) or not isinstance(named, str):
        return []
    where = lines.get(("source", "rollouts"), "")

    def problem(message: str, hint: str) -> list[Path]:
        problems.append(Problem(where, "source.rollouts", message, hint))
        # The fields of the source that this leaves out are not missing.
        broken.add(("source",))
        return []

    given = [key for key in ("path", "revision", "model", "tokenizer") if source.get(key)]
    if given:
        return problem(f"given beside source.{given[0]}", f"leave source.{given[0]} out")
    if not (root / named).is_file():
        near = nearest_file(named, SUFFIXES, root)
        return problem(f"no such spec {named!r}", f"{near}a path from the project root")
    above = read(root / named)
    if above.problems or not isinstance(above.spec, RolloutsSpec):
        what = f"{named} has problems" if above.problems else f"{named} is of another kind"
        return problem(what, f"see `probec check {named}`")
    spec = above.spec
    if spec.model.tokenizer is None:
        return problem(f"{named} names no tokenizer", "set model.tokenizer there")
    own: dict[Scalar, Tree] = {
        "path": f"build/datasets/{spec.name}/data",
        "model": spec.model.model,
        "tokenizer": spec.model.tokenizer,
        "columns": {"doc_idx": "doc_idx"},
    }
    source.update({key: value for key, value in own.items() if key not in source})
    source.setdefault("license", spec.corpus.license)
    for key in ("path", "model", "tokenizer", "columns", "license"):
        lines.setdefault(("source", key), where)
    return [*above.files]


def _rehearse(
    tree: dict[Scalar, Tree], lines: dict[Path_, str], path: str, given: Collection[Path_]
) -> None:
    """Take the documents from `path`, with the stand-in tokenizer where none is in `given`."""
    rehearsal = tree.get("rehearsal")
    stand_in = rehearsal.get("tokenizer") if isinstance(rehearsal, dict) else None
    source = tree.get("source")
    if isinstance(source, dict):
        source.update({"path": path, "revision": None})
        source.pop("rollouts", None)
        # The file may come from any model, so the card must not name the declared one.
        source["model"] = "unknown (rehearsal)"
        source.update({"license": None, "homepage": None})
        lines["source", "path"] = "--source"
        if ("source", "tokenizer") not in given:
            source["tokenizer"] = stand_in
            lines["source", "tokenizer"] = "--source"
    scopes = tree.get("scopes")
    for name, scope in scopes.items() if isinstance(scopes, dict) else ():
        kept = ("scopes", name, "tokenizer") in given
        if isinstance(scope, dict) and scope.get("tokenizer") is not None and not kept:
            scope["tokenizer"] = stand_in
    if isinstance(tree.get("name"), str):
        tree["name"] = f"{tree['name']}-rehearsal"


def _validate(
    tree: Tree,
    lines: dict[Path_, str],
    path: Path,
    problems: list[Problem],
    broken: set[Path_],
) -> Declared | None:
    kind = tree.get("kind", "probes") if isinstance(tree, dict) else "probes"
    if not isinstance(kind, str) or kind not in KINDS:
        hint = f"have: {', '.join(KINDS)}"
        problems.append(_at(lines, ("kind",), path, f"unknown value {_shown(kind)}", hint))
        return None
    try:
        return KINDS[kind].model_validate(tree)
    except ValidationError as error:
        for detail in error.errors(include_url=False):
            loc = _loc(detail)
            if not any(loc[:length] in broken for length in range(len(loc) + 1)):
                problems.append(_problem(detail, loc, lines, path))
        return None


def _loc(detail: ErrorDetails) -> Path_:
    # Discriminated unions add the tag, and dict keys add "[key]": neither is part of the path.
    raw = [part for part in detail["loc"] if part != "[key]"]
    return tuple(part for i, part in enumerate(raw) if not _is_tag(raw, i))


def _problem(detail: ErrorDetails, loc: Path_, lines: dict[Path_, str], path: Path) -> Problem:
    if detail["type"] == "union_tag_not_found":
        # A new entry without a kind may be another one, misspelled.
        others = {str(each[1]) for each in lines if len(each) > 1 and each[:1] == loc[:1]}
        near = nearest(str(loc[-1]), sorted(others - {str(loc[-1])}))
        (message, hint), missing = _MISSING, spelled((*loc, mistakes.tag(detail)))
        return Problem(
            _option(lines, loc) or _nearest(lines, loc, str(path)), missing, message, near + hint
        )
    if detail["type"] in ("literal_error", "union_tag_invalid"):
        value, have = detail["input"], mistakes.choices(detail)
        if detail["type"] == "union_tag_invalid":
            loc = (*loc, mistakes.tag(detail))
            value = value[loc[-1]]
        hint = known(str(value), have)
        return _at(lines, loc, path, f"unknown value {_shown(value)}", hint)
    if detail["type"] == "extra_forbidden":
        hint = f"{nearest(str(loc[-1]), mistakes.keys(loc[:-1]))}{_UNKNOWN}"
        option = _option(lines, loc)
        if option is not None:
            return Problem(option, spelled(loc), "unknown key", f"{hint}; {options.QUOTING}")
        return _at(lines, loc, path, "unknown key", hint)
    if detail["type"] == "missing":
        return _at(lines, loc, path, *_MISSING)
    message = mistakes.message(detail)
    if detail["type"] == "value_error":
        return Problem(_within(lines, loc, str(path)), spelled(loc), message, "")
    got = f"got {_shown(detail['input'])}{mistakes.spelling(detail)}"
    return _at(lines, loc, path, message, got)


def _option(lines: dict[Path_, str], loc: Path_) -> str | None:
    """Return the first option --set that wrote a value at a path or below."""
    below = (line for place, line in lines.items() if place[: len(loc)] == loc)
    return next((line for line in below if line.startswith("--set")), None)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _is_tag(loc: Sequence[str | int], index: int) -> bool:
    if index == 2 and [*loc[:2]] == ["scoring", "compare"]:
        return loc[2] in ("one", "by_scope")
    return index == 2 and loc[0] == "scopes" and loc[2] in ("template", "written")


def _at(lines: dict[Path_, str], loc: Path_, path: Path, message: str, hint: str) -> Problem:
    return Problem(_nearest(lines, loc, str(path)), spelled(loc), message, hint)


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
