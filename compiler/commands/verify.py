"""`probec verify`: a round's stored bytes checked by digest, and its requests by its texts."""

from __future__ import annotations

import argparse

from compiler.commands import arguments
from compiler.commands.result import Result

EXAMPLE = "probec verify db0ed9"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the round and its directory."""
    arguments.add_round_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Check lock, store, dataset, response log, blobs and requests.

    Exit 7 if anything is damaged, 6 if it is intact and contradicts the lock.
    """
    from compiler.project import place
    from compiler.reproduction import verification

    found = verification.verify(place.find(args.dir, args.build_dir), args.hash)
    return Result(verification.text(found, args.screen), found.data(), found.code)
