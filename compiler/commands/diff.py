"""`probec diff`: the differences of two builds, in spec, templates, requests and outcomes."""

from __future__ import annotations

import argparse
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from compiler.commands.result import Result
from compiler.comparison import builds, changes, depths, page
from compiler.comparison.report import DEPTHS
from compiler.comparison.sides import FORMS, Side, open_side, pair
from compiler.engine.store import write_atomic
from compiler.errors import UsageError
from compiler.project.reporter import Reporter
from compiler.project.variant import Variant
from compiler.templating.prompts import Library

EXAMPLE = "probec diff specs/demo.yaml --set calibration.level=-1"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the two sides, the depth and the output."""
    parser.add_argument("a", metavar="A", help=FORMS)
    parser.add_argument(
        "b",
        metavar="B",
        nargs="?",
        help="like A; default: A's spec in the working tree, with --set",
    )
    for flag, name, what in (
        ("--set", "overrides", "override one value of B, such as calibration.level=-1"),
        ("--set-a", "overrides_a", "override one value of A"),
        ("--set-both", "overrides_both", "override one value of both"),
    ):
        parser.add_argument(
            flag, dest=name, action="append", default=[], metavar="PATH=VALUE", help=what
        )
    parser.add_argument("--spec", metavar="SPEC", help="the spec for a prompt directory or a round")
    parser.add_argument("--provider", metavar="NAME", help="as in build, on both sides")
    parser.add_argument("--source", metavar="FILE", help="as in build, on both sides")
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="of both sides; default: build/ of each"
    )
    parser.add_argument(
        "--depth",
        choices=DEPTHS,
        help="compare up to this depth; default: as deep as the builds allow",
    )
    parser.add_argument(
        "--probes",
        type=int,
        default=5,
        metavar="N",
        help="probes in another band to describe, largest difference first (default: 5)",
    )
    parser.add_argument(
        "--build",
        action="store_true",
        help="build both sides first, within their budgets; a git revision and a round cannot be",
    )
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="write a self-contained HTML page"
    )
    parser.add_argument(
        "--exit-code", action="store_true", help="exit 1 if anything differs, as git diff does"
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Compare both sides, and write the page with --html."""
    varied = bool(args.overrides or args.overrides_a)
    named = pair(args.a, args.b, args.spec, varied=varied)
    both = tuple(args.overrides_both)
    path = Path(named.spec or named.a)
    shared = Variant(path, both, args.provider, args.source, args.build_dir)
    alone = named.spec is None

    def sides(stack: ExitStack) -> tuple[Side, Side]:
        return (
            open_side(stack, named.a, shared, args.overrides_a, alone=alone),
            open_side(stack, named.b, shared, args.overrides, alone=alone),
        )

    if args.probes < 0:
        raise UsageError(f"--probes {args.probes} is negative", hint="name 0 or more probes")
    if args.build:
        with ExitStack() as stack:
            builds.build(sides(stack), reporter)
    with ExitStack() as stack:
        a, b = sides(stack)
        report = depths.compare(stack, a, b, args.depth, reporter, args.probes)
        if both:
            notice = f"both sides: {' '.join(f'--set {each}' for each in both)}"
            report = replace(report, notices=(notice, *report.notices))
        text, data = changes.text(report, args.screen), report.data()
        if args.html is not None:
            page_text = page.render(Library(a.root / "templates"), report)
            write_atomic(args.html, page_text.encode("utf-8"), "--html")
            text += f"\n\npage: {args.html}"
            data["page"] = str(args.html)
    return Result(text, data, int(args.exit_code and report.differs))
