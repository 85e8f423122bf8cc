"""`probec card`: the dataset card, or whether every number of one bears looking at."""

from __future__ import annotations

import argparse
from dataclasses import asdict
from pathlib import Path

from compiler.building import folder
from compiler.checking.claims.checked import Checked, check, data
from compiler.checking.claims.page import decode
from compiler.checking.claims.rules import RULES
from compiler.checking.recount import Recount, recount
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import SourceError
from compiler.keys import Json
from compiler.probes.prompts import Library
from compiler.project import opening
from compiler.report import card
from compiler.report.terminal import table

EXAMPLE = "probec card build/datasets/demo --check"
_SPECS = (".yaml", ".yml")
# So many stale numbers are listed; --json has all of them.
_MOST = 20
_NOTHING = Recount((), ("a card alone: there are no rows to hold it against",))


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, and whether to check."""
    arguments.add_spec_arguments(parser, metavar="SPEC|DIR|CARD.md")
    parser.add_argument(
        "--check",
        action="store_true",
        help="compute every number again from the rows, and hold the card's numbers against one "
        "another; exit 1 when one is stale or contradicts others",
    )


def run(args: argparse.Namespace) -> Result:
    """Print the card, or check it."""
    path, templates = _place(args)
    file = path / "README.md" if path.is_dir() else path
    try:
        raw = file.read_bytes()
    except OSError as error:
        raise SourceError(
            f"no card there: {error.strerror}", where=str(file), hint="a spec, a dataset or a card"
        ) from None
    text = decode(raw, str(file))
    if not args.check:
        return Result(text.rstrip("\n"), {"path": file.as_posix(), "card": text})
    checked = check(text)
    if not checked.claims:
        raise SourceError(
            "no card: it states no number that could be checked",
            where=str(file),
            hint="a spec, a dataset or a card",
        )
    counted = recount(path, templates) if path.is_dir() else _NOTHING
    failed = bool(checked.errors or counted.stale)
    found: dict[str, Json] = {
        "card": data(checked),
        "stale": [{**asdict(each)} for each in counted.stale],
        "not_applied": [*counted.not_applied],
    }
    return Result(_text(file, checked, counted), found, 1 if failed else 0)


def _place(args: argparse.Namespace) -> tuple[Path, Library | None]:
    """The dataset directory or card, and the templates that render it again."""
    path: Path = args.spec
    if path.suffix not in _SPECS:
        above = [*path.resolve().parents, Path.cwd(), *Path.cwd().parents]
        found = (each / "templates" for each in above)
        there = next((folder for folder in found if (folder / card.TEMPLATE).is_file()), None)
        return path, Library(there) if there is not None else None
    project = opening.project(arguments.variant(args))
    graph = project.planned()
    folder.stats(project.store, graph)
    return project.store.root / "datasets" / project.spec.name, Library(project.root / "templates")


def _text(file: Path, checked: Checked, counted: Recount) -> str:
    parts = []
    if counted.stale:
        rows = [
            (each.where, _short(each.stated), _short(each.recomputed))
            for each in counted.stale[:_MOST]
        ]
        parts.append(table(("stale", "stated", "from the rows"), rows))
    if checked.contradictions:
        parts.append("\n".join(str(each) for each in checked.contradictions))
    if checked.errors and checked.suspects:
        first = checked.suspects[0]
        parts.append(
            f"the likeliest culprit: line {first.claim.line}, {first.claim.label} = "
            f"{first.claim.written} (in {first.failing} equations that fail and {first.holding} "
            "that hold)"
        )
    warnings = len(checked.contradictions) - checked.errors
    silent = "; ".join(f"{name} ({RULES[name].meaning})" for name in checked.not_applied)
    parts.append(
        f"{folder.shown(file)}: {len(checked.claims)} claims, {len(checked.applied)} of "
        f"{len(RULES)} rules applied: {checked.errors} errors, {warnings} warnings; "
        f"{len(counted.stale)} numbers that the rows do not bear out"
    )
    if silent:
        parts.append(f"the card claims too little for: {silent}")
    parts += counted.not_applied
    return "\n\n".join(parts)


def _short(text: str) -> str:
    return text if len(text) <= 100 else f"{text[:97]}..."
