"""`probec reproduce`: rebuild a round from its lock and the response log alone, and compare."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import UsageError
from compiler.project import place as places
from compiler.project.reporter import Reporter
from compiler.reproduction import verdict

EXAMPLE = "probec reproduce 8ba786"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which round, where, and with whose templates."""
    arguments.add_round_arguments(parser)
    parser.add_argument(
        "--tree",
        action="store_true",
        help="use the prompts and templates of the directory instead of those in the lock",
    )
    parser.add_argument(
        "--keep",
        type=Path,
        metavar="DIR",
        help="rebuild in this directory, which must be empty or new, and leave it there",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Rebuild, compare every digest, and say which of the three it is."""
    place = places.find(args.dir, args.build_dir)
    lock, path = place.lock(args.hash)
    with _scratch(args.keep) as scratch:
        found = verdict.reproduce(place, lock, path, scratch, reporter, tree=args.tree)
    return Result(verdict.text(found), found.data(), found.code)


@contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise UsageError(
                "a round is rebuilt in an empty directory",
                where=str(keep),
                hint="name one that does not exist: what is there would be written over",
            )
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="probec-") as folder:
        yield Path(folder).resolve()
