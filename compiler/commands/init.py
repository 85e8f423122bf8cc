"""`probec init`: a project for rollouts of one's own."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Callable
from pathlib import Path

from compiler import shipped
from compiler.commands.result import Result
from compiler.dataset import mapping
from compiler.errors import UsageError, known
from compiler.keys import Json
from compiler.project import scaffold
from compiler.project.scaffold import UNKNOWN, Made, Source

EXAMPLE = "probec init my-probes --source rollouts.jsonl"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,79}")
_KEYS = ("doc_id", "doc_source", "prefix", "continuation", "doc_idx")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the directory, the source, and answers to the questions."""
    parser.add_argument(
        "dir", nargs="?", type=Path, default=Path(), metavar="DIR", help="default: this directory"
    )
    parser.add_argument(
        "--source", metavar="FILE", help="rollouts: JSONL, parquet or Arrow; a directory or pattern"
    )
    parser.add_argument("--name", metavar="NAME", help="of the dataset; default: from the file's")
    parser.add_argument(
        "--column",
        dest="columns",
        action="append",
        default=[],
        metavar="KEY=NAME",
        help=f"the column of the file for a key ({', '.join(_KEYS)}); default: by name and type",
    )
    parser.add_argument("--model", metavar="NAME", help="the model that wrote the continuations")
    parser.add_argument(
        "--tokenizer",
        default=shipped.TOKENIZER,
        metavar="NAME",
        help="of that model: a Hub name, or a tokenizer.json; default: a small one of probec's",
    )
    parser.add_argument(
        "--license", metavar="ID", help=f"of the dataset, a Hub id; default: {UNKNOWN}"
    )


def run(args: argparse.Namespace, ask: Callable[[str], str] | None) -> Result:
    """Write a spec that passes `check`, the prompts and a .gitignore.

    `ask`: puts a question to the person at the terminal; None without one.

    Raises:
        UsageError: the spec exists, or a column of the source is not known.
    """
    path = args.source or (ask("rollouts (a JSONL or parquet file):") if ask is not None else "")
    if not path:
        raise UsageError("no source is named", hint=f"add --source FILE; {scaffold.NEEDED}")
    name = args.name or scaffold.name_of(path)
    if not _NAME.fullmatch(name):
        raise UsageError(f"{name!r} cannot name a dataset", hint="use letters, digits and - . _")
    if (args.dir / scaffold.spec_path(name)).exists():
        raise UsageError(
            f"exists already: {', '.join(scaffold.existing(args.dir, name))}",
            where=str(args.dir),
            hint="nothing was written; --name gives a new spec another name",
        )
    source = scaffold.source(path)
    columns = _columns(source, args.columns, ask)
    draft = scaffold.Draft(
        name,
        columns,
        args.model or source.model or _asked(ask, "model that wrote the continuations") or UNKNOWN,
        args.tokenizer,
        args.license or _asked(ask, "license of the dataset, such as odc-by") or UNKNOWN,
    )
    made = scaffold.make(args.dir, source, draft)
    return Result(_text(made, columns, draft.license), _data(made, columns))


def _asked(ask: Callable[[str], str] | None, question: str) -> str:
    return ask(f"{question} (empty: {UNKNOWN}):") if ask is not None else ""


def _columns(
    source: Source, options: list[str], ask: Callable[[str], str] | None
) -> dict[str, str]:
    """Return the source column of each key, from options, names and types, or answers."""
    given: dict[str, str | None] = {}
    for option in options:
        key, _, name = option.partition("=")
        if key not in _KEYS:
            raise UsageError(f"--column: unknown key {key!r}", hint=known(key, _KEYS))
        given[key] = _known(name, source, f"--column {key}")
    found = mapping.proposal(source.rows, given=given)
    lost = [key for key in mapping.REQUIRED if key not in found]
    if lost and ask is not None:
        for key in lost:
            asked = ask(f"column of the {key} (have: {', '.join(source.columns)}):")
            given[key] = _known(asked, source, key)
        return mapping.proposal(source.rows, given={**found, **given})
    if lost:
        raise UsageError(
            source.lacking(lost),
            where=source.path,
            hint=f"name it with --column {lost[0]}=NAME, or add it to the file",
        )
    return found


def _known(name: str, source: Source, where: str) -> str:
    if name not in source.columns:
        hint = known(name, source.columns)
        raise UsageError(f"{where}: the source has no column {name!r}", hint=hint)
    return name


def _text(made: Made, columns: dict[str, str], license_id: str) -> str:
    width = max(map(len, _KEYS))
    lines = [f"{made.spec}: {made.documents:,} documents, {made.docs:,} of them in its round"]
    lines += [f"  {key.ljust(width)}  {columns.get(key, '(none)')}" for key in _KEYS]
    if made.skipped:
        lines.append(made.skipped)
    lines.append(f"written: {', '.join(scaffold.summary(made.written))}")
    if made.kept:
        lines.append(f"kept as it was: {', '.join(scaffold.summary(made.kept))}")
    if license_id == UNKNOWN:
        lines.append("license: unknown; `probec push` needs publish.license in the spec")
    lines.append(f"next: probec build {shlex.quote(str(made.spec))}")
    return "\n".join(lines)


def _data(made: Made, columns: dict[str, str]) -> Json:
    return {
        "spec": made.spec.as_posix(),
        "documents": made.documents,
        "docs": made.docs,
        "columns": {key: columns.get(key) for key in _KEYS},
        "written": [*made.written],
        "kept": [*made.kept],
    }
