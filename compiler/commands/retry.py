"""`probec retry`: retire failed replies. The log keeps a copy of the old ones."""

from __future__ import annotations

import argparse

from compiler.building import retries
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec retry specs/demo.yaml --reason truncated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and the reasons."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--reason",
        action="append",
        required=True,
        choices=retries.REASONS,
        metavar="REASON",
        help=f"how the reply ended: {', '.join(retries.REASONS)}; repeatable",
    )
    parser.add_argument("--dry-run", action="store_true", help="count only, change nothing")


def run(args: argparse.Namespace) -> Result:
    """Retire the replies, so that the next build sends their requests again."""
    project = opening.project(arguments.variant(args))
    found = retries.retire(project, args.reason, dry_run=args.dry_run)
    return Result(retries.text(found), found.data())
