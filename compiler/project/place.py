"""The directories of locks, replies and builds, for commands that take a hash instead of a spec."""

from __future__ import annotations

from pathlib import Path

from msgspec import Struct

from compiler import shipped
from compiler.errors import UsageError
from compiler.llm.batches.journal import Journal
from compiler.llm.responses import ResponseLog
from compiler.rounds import locks
from compiler.rounds.blobs import Blobs
from compiler.rounds.locks import Lock
from compiler.templating.prompts import Library

_MARKS = ("prompts", ".probec", "build/rounds")


class Place(Struct, frozen=True):
    """A directory with round locks under `build/rounds` and replies under `.probec`."""

    root: Path
    build: Path

    @property
    def locks(self) -> Path:
        """The directory of all locks, one directory for each dataset."""
        return self.build / "rounds"

    @property
    def state(self) -> Path:
        """The directory of replies, batches and blobs."""
        return self.root / ".probec"

    @property
    def blobs(self) -> Blobs:
        """The store of what rounds need beside replies: documents, tokenizers and key lists."""
        return Blobs(self.state / "blobs")

    def log(self, *, incomplete: bool = False) -> ResponseLog:
        """Open the response log. `incomplete`: as for `ResponseLog`."""
        return ResponseLog(self.state / "responses.sqlite", incomplete=incomplete)

    def journal(self) -> Journal:
        """Open the batch journal."""
        return Journal(self.state / "batches")

    def lock(self, prefix: str) -> tuple[Lock, Path]:
        """Find the round whose hash starts with `prefix`; return its lock and the lock's file."""
        return locks.find(self.locks, prefix)


def find(directory: Path | None, build: Path | None, *, make: bool = False) -> Place:
    """Find the place at `directory`, or the nearest at or above the working directory.

    `build`: its build directory if not the default one. `make`: accept a directory without any.

    Raises:
        UsageError: the directory has no locks, replies or prompts.
    """
    start = (directory or Path()).resolve()
    # A named directory is taken as it is: its parents are not searched.
    for folder in (start,) if directory is not None else (start, *start.parents):
        if any((folder / mark).is_dir() for mark in _MARKS):
            return Place(folder, build or folder / "build")
    if not make:
        raise UsageError(
            "no project here: no build/rounds, .probec or prompts",
            where=str(start),
            hint="name the project's directory with --dir",
        )
    return Place(start, build or start / "build")


def templates(path: Path, name: str) -> Library | None:
    """Find the templates of the project that holds `path`, else of the working directory.

    A project holds `prompts/` or the template `name`; None without one.
    """
    for start in (path.resolve(), Path.cwd() / "here"):
        for root in start.parents:
            if (root / "prompts").is_dir() or (root / "templates" / name).is_file():
                return Library(root / "templates")
    return None


def page_templates(path: Path, name: str) -> Library:
    """Find the templates as `templates` does; the shipped ones without a project."""
    return templates(path, name) or Library(shipped.FOLDER / "templates")
