"""`probec cancel`: cancel the batches in flight; replies that they finish are kept."""

from __future__ import annotations

import argparse

from compiler.building import batches
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec cancel specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Cancel all open batches. Exit 1 if one could not be canceled."""
    found = batches.cancel(opening.project(arguments.variant(args)))
    return Result(found.text(), found.data(), 1 if found.failed else 0)
