"""`probec retry`: retire failed replies. The log keeps a copy of the old ones."""

from __future__ import annotations

import argparse

from compiler.building import pilot, retries
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec retry specs/demo.yaml --reason truncated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, the reasons, and --pilot."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--reason",
        action="append",
        required=True,
        metavar="REASON",
        help=f"how the reply ended ({', '.join(retries.ENDED)}), or the reason of a reject that it "
        "led to, such as slot_missing; repeatable",
    )
    parser.add_argument(
        "--pilot",
        type=arguments.at_least_one,
        metavar="N",
        help="the replies of the pilot of N documents, which `probec build --pilot N` built",
    )
    parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")


def run(args: argparse.Namespace) -> Result:
    """Retire the replies, so that the next build sends their requests again."""
    project = opening.project(arguments.variant(args))
    if args.pilot is not None:
        project = pilot.cut(project, args.pilot)
    found = retries.retire(project, args.reason, dry_run=args.dry_run)
    return Result(retries.text(found), found.data())
