"""`probec reproduce`: a round rebuilt from its lock and the response log, and compared."""

from __future__ import annotations

import argparse
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compiler.building.jobs import FEW_DOCUMENTS
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import UsageError
from compiler.project import place as places
from compiler.project.reporter import Reporter
from compiler.reproduction import verdict

EXAMPLE = "probec reproduce db0ed9"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the round, its directory, and the options of the rebuild."""
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
        help="rebuild in this directory, which must be empty or new, and keep it",
    )
    parser.add_argument(
        "--jobs",
        type=arguments.at_least_one,
        metavar="N",
        help="worker processes; default: one per core from "
        f"{FEW_DOCUMENTS:,} documents on, else none",
    )


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Rebuild the round and compare every digest. Exit 5 if replies are missing, 6 on drift."""
    place = places.find(args.dir, args.build_dir)
    lock, path = place.lock(args.hash)
    with _scratch(args.keep) as scratch:
        found = verdict.reproduce(
            place, lock, path, scratch, reporter, tree=args.tree, jobs=args.jobs
        )
    return Result(verdict.text(found), found.data(), found.code)


@contextmanager
def _scratch(keep: Path | None) -> Iterator[Path]:
    if keep is not None:
        if keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
            raise UsageError(
                "the directory of --keep is not empty",
                where=str(keep),
                hint="name one that is empty or does not exist",
            )
        keep.mkdir(parents=True, exist_ok=True)
        yield keep.resolve()
        return
    with tempfile.TemporaryDirectory(prefix="probec-") as folder:
        yield Path(folder).resolve()
