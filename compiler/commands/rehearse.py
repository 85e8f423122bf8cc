"""`probec rehearse`: the paid build against a local server, with or without faults, for $0.

The server simulates the Messages and Message Batches APIs, with replies by the embedded model. They
are stored apart from the project's own, so that they are never taken for paid ones.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import cast

from compiler.building import rehearsal
from compiler.building.build import make
from compiler.commands import arguments, build
from compiler.commands.result import Result
from compiler.keys import Json
from compiler.project.reporter import Reporter

MONEY = "simulated"
"""Added to every line with an amount, because the server bills nothing."""
EXAMPLE = "probec rehearse specs/demo.yaml --faults specs/faults.json"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a build, of faults and of the server's clock."""
    build.add_arguments(parser)
    parser.add_argument(
        "--faults", type=Path, metavar="FILE", help="a JSON list of faults; see docs/rehearsal.md"
    )
    parser.add_argument(
        "--speed",
        type=float,
        default=120.0,
        metavar="X",
        help="how fast the server's clock runs (default: 120)",
    )
    parser.add_argument(
        "--latency",
        type=float,
        default=240.0,
        metavar="SECONDS",
        help="duration of a batch on that clock (default: 240)",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Build against the server, then compare the project's ledger with the server's."""
    variant, rules = arguments.variant(args), rehearsal.faults(args.faults)
    with rehearsal.opened(variant, args.max_usd, rules, latency=args.latency, speed=args.speed) as (
        project,
        server,
    ):
        project.wait = not args.detach
        tables = args.screen if args.full else None
        made = make(project, reporter, args.max_usd, arguments.workers(args), tables=tables)
        ledger = server.ledger()
    found = rehearsal.compare(project, ledger)
    data = {**cast(dict[str, Json], made.data), "server": found.data()}
    return Result(f"{marked(made.text)}\n\n{rehearsal.text(found)}", data, made.code)


def marked(text: str) -> str:
    """Mark the lines with amounts as simulated."""
    lines = text.split("\n")
    return "\n".join(f"{line} ({MONEY})" if "$" in line else line for line in lines)
