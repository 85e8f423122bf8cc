"""Receipts: cached results of no-op builds, valid while the files behind them are unchanged.

A receipt holds the file stamps of all inputs and outputs of a build. A later process with the same
command line compares the stamps and, if all are equal, prints the stored result, without importing
the rest of the compiler. If anything differs, is missing, is unreadable or changed too recently to
be trusted, the build runs as usual and writes a new receipt. See docs/decisions/013-receipts.md.

A receipt is a file of `build/receipts/`: the SHA-256 of the rest on a line of its own, then JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from compiler.engine import stamps
from compiler.engine.lock import building
from compiler.engine.stamps import Look
from compiler.errors import ProbecError
from compiler.keys import Json, digest
from compiler.spec.root import project_root
from compiler.version import __version__

FOLDER = "receipts"
SCHEMA = 2
# The modules of the compiler that are loaded when a receipt is looked up. In a process that has
# loaded more, such as a test or another program, any of them may have been patched.
_LIGHT = frozenset(
    """compiler compiler.__main__ compiler.building compiler.building.jobs
    compiler.building.receipt compiler.cli compiler.commands compiler.commands.arguments
    compiler.commands.build compiler.commands.parsers compiler.commands.result compiler.engine
    compiler.engine.lock compiler.engine.stamps compiler.errors compiler.keys compiler.project
    compiler.project.variant compiler.report compiler.report.screen compiler.spec
    compiler.spec.root compiler.version""".split()
)
# Environment variables that Python, the Hub's cache, fsspec and providers read.
_NAMES = frozenset({"HOME", "LANG", "LANGUAGE", "VIRTUAL_ENV", "XDG_CACHE_HOME"})
_PREFIXES = ("ANTHROPIC_", "FSSPEC_", "HF_", "HUGGINGFACE_", "LC_", "PYTHON", "TRANSFORMERS_")
# Margin for code, which was imported before `Request.began` was taken.
_START_NS = 2_000_000_000
# The longest that a build waits until the stamps of the files that it wrote can be trusted.
_PATIENCE_NS = 200_000_000


@dataclass(frozen=True)
class Request:
    """A command line that may have a receipt.

    `name`: of the receipt's file; `began`: time at which the command line was read, in nanoseconds
    since the epoch; `process`: a digest of versions, paths and environment, on which the result
    depends too.
    """

    name: str
    began: int
    process: str


@dataclass(frozen=True)
class Receipt:
    """The result of a build: `text` for the terminal, `data` for --json, and the exit code.

    `notices`: printed before the text.
    """

    text: str
    data: Json
    code: int
    notices: tuple[str, ...] = ()


def request(options: Mapping[str, str]) -> Request | None:
    """Identify a command line; None in a process that has loaded more than this lookup needs.

    `options`: of the command line by name, without those that only format the result.
    """
    loaded = {name for name in sys.modules if name.partition(".")[0] == "compiler"}
    if not loaded <= _LIGHT:
        return None
    try:
        # The result shows paths as typed and relative to the working directory.
        name = digest("receipt", {"options": dict(options), "folder": os.getcwd()})
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _NAMES or name.startswith(_PREFIXES)
        }
        # Stored as a digest, because the environment holds API keys.
        process = digest(
            "process", [__version__, sys.version, str(sys.flags), [*sys.path], environment]
        )
    except (OSError, ValueError):
        return None  # the directory was deleted, or its name is not UTF-8
    return Request(f"{name[:32]}.json", time.time_ns(), process)


def recall(asked: Request, spec: Path, build: Path | None) -> Receipt | None:
    """Return the cached result of a command line; None if there is no valid receipt.

    `build`: the build directory if not that of the project. The locks of a build are held while
    stamps are compared, so no result is returned while another build of the dataset runs.
    """
    try:
        folder = build if build is not None else project_root(spec) / "build"
        found = _read(folder / FOLDER / asked.name)
        if found is None or found["process"] != asked.process:
            return None
        with building(folder, found["dataset"], "", lambda: None):
            if not _holds(found):
                return None
    except (OSError, ProbecError):
        return None  # the build reports the error
    return Receipt(found["text"], found["data"], found["code"], tuple(found["notices"]))


def encode(asked: Request, looks: Sequence[Look], dataset: str, receipt: Receipt) -> bytes:
    """Encode a receipt. `dataset`: the name of the dataset, which a build locks."""
    files: dict[str, list[int] | None] = {}
    trees: dict[str, str] = {}
    listings: list[tuple[str, str, list[str]]] = []
    for look in looks:
        files.update(look.files)
        trees.update(look.trees)
        listings += look.listings
    content: _Content = {
        "schema": SCHEMA,
        "process": asked.process,
        "dataset": dataset,
        "files": files,
        "trees": trees,
        "listings": listings,
        "notices": [*receipt.notices],
        "text": receipt.text,
        "data": receipt.data,
        "code": receipt.code,
    }
    body = json.dumps(content, separators=(",", ":")).encode("ascii")
    return hashlib.sha256(body).hexdigest().encode("ascii") + b"\n" + body


def trusted(asked: Request, inputs: Look, code: Look) -> bool:
    """Test if inputs and code were last changed before the command line was read, by a margin."""
    return inputs.settled <= asked.began and code.settled <= asked.began - _START_NS


def patience(state: Look) -> float | None:
    """Return the seconds until the stamps of written files can be trusted; None if too many."""
    left = state.settled - time.time_ns()
    return None if left > _PATIENCE_NS else max(0, left) / 1e9


def everywhere(build: Path) -> list[Path]:
    """List the receipt files of a build directory."""
    return sorted(path for path in (build / FOLDER).glob("*.json") if path.is_file())


def useless(build: Path, going: Iterable[Path]) -> set[Path]:
    """Find the receipts that are invalid, or will be once the files of `going` are removed."""
    gone = {os.path.abspath(path) for path in going}
    return {
        path
        for path in everywhere(build)
        if (found := _read(path)) is None
        or not gone.isdisjoint(found["files"])
        or not _holds(found)
    }


class _Content(TypedDict):
    """A receipt as JSON. Tuples of `listings` are decoded as lists."""

    schema: int
    process: str
    dataset: str
    files: dict[str, list[int] | None]
    trees: dict[str, str]
    listings: list[tuple[str, str, list[str]]]
    notices: list[str]
    text: str
    data: Json
    code: int


def _read(path: Path) -> _Content | None:
    """Read a receipt; None if there is none, or it is damaged or of another schema."""
    try:
        digest, _, body = path.read_bytes().partition(b"\n")
    except OSError:
        return None
    if hashlib.sha256(body).hexdigest().encode("ascii") != digest:
        return None
    content: _Content = json.loads(body)
    return content if content["schema"] == SCHEMA else None


def _holds(found: _Content) -> bool:
    return stamps.holds(found["files"], found["trees"], found["listings"])
