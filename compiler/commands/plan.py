"""`probec plan`: the steps that would run, the reasons, and their cost. Opens no socket."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result

EXAMPLE = "probec plan specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Plan the build, as far as possible without the network."""
    from compiler.building import plan
    from compiler.project import opening

    found = plan.plan(opening.project(arguments.variant(args)))
    return Result(plan.text(found), found.data())
