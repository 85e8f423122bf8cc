"""`probec cancel`: stop the batches that are with the provider; what they finish is kept."""

from __future__ import annotations

import argparse

from compiler.building import batches
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.project import opening

EXAMPLE = "probec cancel specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Exit 1 when a batch could not be canceled."""
    found = batches.cancel(opening.project(arguments.variant(args)))
    return Result(found.text(), found.data(), 1 if found.failed else 0)
