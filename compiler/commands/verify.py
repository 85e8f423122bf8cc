"""`probec verify`: hold every byte that is kept of a round against its digest."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import DAMAGED
from compiler.project import place
from compiler.reproduction import verification

EXAMPLE = "probec verify 8ba786"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which round, and where."""
    arguments.add_round_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Look at the lock, the store, the dataset, the log and what is kept beside it."""
    found = verification.verify(place.find(args.dir, args.build_dir), args.hash)
    return Result(verification.text(found), found.data(), DAMAGED if found.findings else 0)
