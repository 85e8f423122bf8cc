"""`probec calibrate`: every level on the same documents, and the one that the rule picks."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import folder
from compiler.calibration import choice, levels, summary
from compiler.calibration.levels import DOCUMENTS
from compiler.calibration.sweep import price, sweep
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.store import write_atomic
from compiler.keys import Json
from compiler.project import opening
from compiler.project.reporter import Reporter

EXAMPLE = "probec calibrate specs/demo.yaml --levels=-2..2 --docs 40"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, which levels, and what to do with the choice."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--levels", metavar="LOW..HIGH", help="such as =-2..2; default: all that the spec declares"
    )
    parser.add_argument(
        "--docs",
        type=int,
        metavar="N",
        help=f"documents, the first that round 0 draws; default: {DOCUMENTS}, or all there are",
    )
    parser.add_argument("--dry-run", action="store_true", help="say what it would cost, ask nobody")
    parser.add_argument(
        "--max-usd", type=arguments.usd, metavar="USD", help="a lower wall than the spec's"
    )
    parser.add_argument(
        "--detach", action="store_true", help="submit and exit 75; run again to collect"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="put the chosen level and the digest of its evidence into the spec",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="default: build/calibration/<name>.svg",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build every level, compare, choose."""
    variant = arguments.variant(args)
    project = opening.project(variant)
    spec = project.spec
    if args.write:
        choice.require_writable(variant, spec)
    project.wait = not args.detach
    chosen, docs = levels.chosen(spec, args.levels), levels.documents(spec, args.docs)
    if args.dry_run:
        costs = price(project, chosen, docs, reporter)
        return Result(summary.price(costs), costs.data())
    swept = sweep(project, chosen, docs, args.max_usd, reporter)
    picture = args.picture or project.store.root / "calibration" / f"{spec.name}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    write_atomic(picture, summary.picture(swept.stats).encode("utf-8"), "--picture")
    text = f"{summary.text(spec, swept)}\npicture: {folder.shown(picture)}"
    written = False
    if args.write and swept.stats.chosen is not None:
        text += f"\n{choice.write(args.spec, swept.stats.chosen, swept.evidence)}"
        written = True
    elif args.write:
        text += "\nnothing is written: no level is allowed by the rule"
    data: dict[str, Json] = {**swept.data(), "picture": picture.as_posix(), "written": written}
    return Result(text, data, int(args.write and not written))
