"""`probec plan`: which steps would run and why, and what they would cost. Opens no socket."""

from __future__ import annotations

import argparse

from compiler.building import plan
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec plan specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Plan, or say what must be known first."""
    found = plan.plan(opening.project(arguments.variant(args)))
    return Result(plan.text(found), found.data())
