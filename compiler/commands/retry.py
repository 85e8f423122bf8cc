"""`probec retry`: ask again for replies that ended badly. The old ones are kept aside."""

from __future__ import annotations

import argparse

from compiler.building import retries
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec retry specs/demo.yaml --reason truncated"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which replies."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--reason",
        action="append",
        required=True,
        choices=retries.REASONS,
        metavar="REASON",
        help=f"how the reply ended: {', '.join(retries.REASONS)}; may be given more than once",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, change nothing")


def run(args: argparse.Namespace) -> Result:
    """Retire such replies of this spec, so that the next build asks for them anew."""
    project = opening.project(arguments.variant(args))
    found = retries.retire(project, args.reason, dry_run=args.dry_run)
    return Result(retries.text(found), found.data())
