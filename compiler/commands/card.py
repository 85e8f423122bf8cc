"""`probec card`: the dataset card, printed or checked number by number."""

from __future__ import annotations

import argparse
from pathlib import Path

from compiler.building import finished, folder
from compiler.checking import cards
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import place
from compiler.report.card import TEMPLATE
from compiler.spec.root import SUFFIXES
from compiler.templating.prompts import Library

EXAMPLE = "probec card build/datasets/demo --check"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and --check."""
    arguments.add_spec_arguments(parser, metavar="SPEC|DIR|CARD.md")
    parser.add_argument(
        "--check",
        action="store_true",
        help="recompute every number from the rows, and check that repeated facts agree; exit 1 if "
        "a number is stale or two contradict each other",
    )


def run(args: argparse.Namespace) -> Result:
    """Print the card, or check it."""
    path, templates = _named(args)
    file = cards.file(path)
    if not args.check:
        text = cards.read(path)
        return Result(text.rstrip("\n"), {"path": file.as_posix(), "card": text})
    found = cards.checked(path, templates)
    return Result(
        cards.text(found, folder.shown(file), args.screen), found.data(), int(found.failed)
    )


def _named(args: argparse.Namespace) -> tuple[Path, Library | None]:
    """Return the dataset directory or card, and the templates that render it."""
    if args.spec.suffix not in SUFFIXES:
        return args.spec, place.templates(args.spec, TEMPLATE)
    build = finished.build(arguments.variant(args))
    build.require_installed()
    return build.directory, build.templates
