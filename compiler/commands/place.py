"""Where locks, replies and builds are, for the commands that take a hash instead of a spec."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

from compiler.dataset import rounds
from compiler.dataset.blobs import Blobs
from compiler.dataset.rounds import Lock
from compiler.errors import UsageError
from compiler.llm.responses import ResponseLog

_MARKS = ("prompts", ".probec", "build/rounds")


@dataclass(frozen=True)
class Place:
    """A directory with round locks under `build/rounds` and replies under `.probec`."""

    root: Path
    build: Path

    @property
    def locks(self) -> Path:
        """The folder of all locks, by dataset."""
        return self.build / "rounds"

    @property
    def state(self) -> Path:
        """Where replies and what rounds need are kept."""
        return self.root / ".probec"

    @property
    def blobs(self) -> Blobs:
        """What rounds need beside replies."""
        return Blobs(self.state / "blobs")

    def log(self) -> ResponseLog:
        """The response log."""
        return ResponseLog(self.state / "responses.sqlite")

    def lock(self, prefix: str) -> tuple[Lock, Path]:
        """The round whose hash starts so, and its file."""
        return rounds.find(self.locks, prefix)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which directory."""
    parser.add_argument(
        "--dir",
        type=Path,
        metavar="DIR",
        help="a directory with build/rounds and .probec; default: the nearest at or above here",
    )
    parser.add_argument(
        "--build-dir", type=Path, metavar="DIR", help="default: build/ of that directory"
    )


def find(args: argparse.Namespace, *, make: bool = False) -> Place:
    """The place that a command line names. `make`: it may be empty yet.

    Raises:
        UsageError: there is nothing of a project there.
    """
    start = (args.dir or Path()).resolve()
    # A directory that is named is meant, whatever lies above it.
    for folder in (start,) if args.dir is not None else (start, *start.parents):
        if any((folder / mark).is_dir() for mark in _MARKS):
            return Place(folder, args.build_dir or folder / "build")
    if not make:
        raise UsageError(
            "no project here: there is no build/rounds, .probec or prompts",
            where=str(start),
            hint="name one with --dir",
        )
    return Place(start, args.build_dir or start / "build")
