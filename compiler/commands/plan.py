"""`probec plan`: the steps that would run, the reasons, and their cost. Opens no socket."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import SpecError

EXAMPLE = "probec plan specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Plan the build, as far as possible without the network.

    Raises:
        SpecError: the source was not read yet, and it lacks a column or has too few documents.
    """
    from compiler.building import plan
    from compiler.project import opening, problems

    variant = arguments.variant(args)
    draft = opening.draft(variant)
    found = plan.plan(opening.project(variant, read=draft))
    if found.reads:
        wrong = problems.source(draft, scaled=args.source is not None)
        if wrong:
            raise SpecError(wrong)
    return Result(plan.text(found, args.screen), found.data())
