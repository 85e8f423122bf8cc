"""`probec card`: the dataset card, or whether every number of one bears looking at."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import finished, folder
from compiler.checking import cards
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.probes.prompts import Library
from compiler.project import place
from compiler.report.card import TEMPLATE
from compiler.spec.root import SUFFIXES

EXAMPLE = "probec card build/datasets/demo --check"


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
    path, templates = _named(args)
    file = cards.file(path)
    if not args.check:
        text = cards.read(path)
        return Result(text.rstrip("\n"), {"path": file.as_posix(), "card": text})
    found = cards.checked(path, templates)
    return Result(cards.text(found, folder.shown(file)), found.data(), int(found.failed))


def _named(args: argparse.Namespace) -> tuple[Path, Library | None]:
    """The dataset directory or card, and the templates that render it again."""
    if args.spec.suffix not in SUFFIXES:
        return args.spec, place.templates(args.spec, TEMPLATE)
    build = finished.build(arguments.variant(args))
    return build.directory, build.templates
