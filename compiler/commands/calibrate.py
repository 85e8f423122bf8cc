"""`probec calibrate`: every calibration level on the same documents, and the choice of one."""

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
    """Add the options of a spec, the levels and documents, and the output."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--levels", metavar="LOW..HIGH", help="such as --levels=-2..2; default: all declared"
    )
    parser.add_argument(
        "--docs",
        type=int,
        metavar="N",
        help=f"the first N documents of round 0; default: {DOCUMENTS}, or all if there are fewer",
    )
    parser.add_argument("--dry-run", action="store_true", help="print the cost, send no request")
    parser.add_argument(
        "--max-usd", type=arguments.usd, metavar="USD", help="a lower ceiling than the spec's"
    )
    parser.add_argument(
        "--detach", action="store_true", help="send the batches and exit 75; run again to collect"
    )
    parser.add_argument(
        "--write",
        action="store_true",
        help="write the chosen level and the digest of its evidence into the spec",
    )
    parser.add_argument(
        "--picture",
        type=Path,
        metavar="FILE.svg",
        help="the plot's file; default: build/calibration/<name>.svg",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build every level, compare them and choose one. Exit 1 if --write has no level to write."""
    variant = arguments.variant(args)
    project = opening.project(variant)
    spec = project.spec
    if args.write:
        choice.require_writable(variant, spec)
    project.wait = not args.detach
    chosen, docs = levels.chosen(spec, args.levels), levels.documents(spec, args.docs)
    if args.dry_run:
        costs = price(project, chosen, docs, reporter)
        return Result(summary.price(costs, args.screen), costs.data())
    swept = sweep(project, chosen, docs, args.max_usd, reporter)
    picture = args.picture or project.store.root / "calibration" / f"{project.dataset}.svg"
    picture.parent.mkdir(parents=True, exist_ok=True)
    drawn = summary.picture(project.dataset, spec, swept)
    write_atomic(picture, drawn.encode("utf-8"), "--picture")
    text = f"{summary.text(spec, swept, args.screen)}\nplot: {folder.shown(picture)}"
    written = False
    if args.write and swept.stats.chosen is not None:
        text += f"\n{choice.write(args.spec, swept.stats.chosen, swept.evidence)}"
        written = True
    elif args.write:
        text += "\nnothing written: no level satisfies the rule"
    data: dict[str, Json] = {**swept.data(), "picture": picture.as_posix(), "written": written}
    return Result(text, data, int(args.write and not written))
