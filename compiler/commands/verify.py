"""`probec verify`: every stored byte of a round checked against its digest."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import DAMAGED
from compiler.project import place
from compiler.reproduction import verification

EXAMPLE = "probec verify 81064c"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the round and its directory."""
    arguments.add_round_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Check lock, store, dataset, response log and blobs. Exit 7 if anything is damaged."""
    found = verification.verify(place.find(args.dir, args.build_dir), args.hash)
    return Result(verification.text(found), found.data(), DAMAGED if found.findings else 0)
