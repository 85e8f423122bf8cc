"""`probec prompt`: the exact request about one document, and the replies to it."""

from __future__ import annotations

import argparse

from compiler.building import prompt, received
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.comparison import prompts
from compiler.comparison.sides import FORMS
from compiler.errors import UsageError
from compiler.project import opening
from compiler.spec.paid import ROLES

EXAMPLE = "probec prompt specs/demo.yaml --role judge --slot 10"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and of the request."""
    arguments.add_spec_arguments(parser)
    parser.add_argument("--role", choices=ROLES, default="generator", help="default: generator")
    parser.add_argument("--doc", metavar="ID", help="a doc_id; default: the first drawn")
    parser.add_argument(
        "--reply",
        action="store_true",
        help="show the replies too: of the generator the outcome of every slot, of the others "
        "each answer, verdict and score",
    )
    parser.add_argument(
        "--against",
        metavar="OTHER",
        help=f"compare with the same request of OTHER: {FORMS}",
    )
    parser.add_argument(
        "--slot",
        type=int,
        metavar="N",
        help="answerer, judge: the written probe's slot; default: the first",
    )


def run(args: argparse.Namespace) -> Result:
    """Render the request from the replies so far; with --against, its diff to another side."""
    if args.role == "generator" and args.slot is not None:
        raise UsageError("--slot needs --role answerer or judge", hint="leave it out")
    if args.reply and args.against is not None:
        raise UsageError("--reply does not go with --against", hint="leave one of them out")
    variant = arguments.variant(args)
    if args.reply:
        shown = received.find(opening.project(variant), args.role, args.doc, args.slot)
        return Result(received.text(shown, args.screen), shown.data())
    found = prompt.find(opening.project(variant), args.role, args.doc, args.slot)
    if args.against is None:
        return Result(prompt.text(found), found.data())
    change = prompts.against(found, variant, args.against, args.doc, args.slot)
    return Result(prompts.text(change), change.data())
