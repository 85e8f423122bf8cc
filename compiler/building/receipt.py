"""What a build came to while nothing was left to do, kept with the stamps of all it looked at.

A later process with the same command line looks at the stamps and, if all hold, says the same. It
loads nothing of the compiler but this. Whatever is different, gone, unreadable or too fresh to be
trusted sends it the ordinary way, which writes a new receipt. See docs/decisions/013-receipts.md.

A receipt is a file of `build/receipts/`: the SHA-256 of the rest on a line of its own, then JSON.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from compiler import __version__
from compiler.engine import stamps
from compiler.engine.lock import locked
from compiler.engine.stamps import Look
from compiler.errors import ProbecError
from compiler.keys import Json, digest
from compiler.spec.root import project_root

FOLDER = "receipts"
SCHEMA = 1
# All of the compiler that a process loads before it asks for a receipt. In one that has loaded
# more, such as a test or somebody's program, anything may have been changed by hand.
_LIGHT = frozenset(
    """compiler compiler.__main__ compiler.building compiler.building.jobs
    compiler.building.receipt compiler.cli compiler.commands compiler.commands.arguments
    compiler.commands.build compiler.commands.result compiler.engine compiler.engine.lock
    compiler.engine.stamps compiler.errors compiler.keys compiler.project compiler.project.variant
    compiler.spec compiler.spec.root""".split()
)
# What the environment says to Python, to the Hub's cache, to fsspec and to providers.
_NAMES = frozenset({"HOME", "LANG", "LANGUAGE", "VIRTUAL_ENV", "XDG_CACHE_HOME"})
_PREFIXES = ("ANTHROPIC_", "FSSPEC_", "HF_", "HUGGINGFACE_", "LC_", "PYTHON", "TRANSFORMERS_")
# The code that runs was read before the clock was looked at.
_START_NS = 2_000_000_000
# How long a build that has just written its files waits until they can be trusted.
_PATIENCE_NS = 200_000_000


@dataclass(frozen=True)
class Request:
    """A command line that may have a receipt. `name`: of its file; `began`: when it was read, in
    nanoseconds since the epoch; `process`: the digest of what else decides what it does."""

    name: str
    began: int
    process: str


@dataclass(frozen=True)
class Receipt:
    """The result of a build: `text` for people, `data` for machines, and the exit code.

    `notices` are for people, before the result.
    """

    text: str
    data: Json
    code: int
    notices: tuple[str, ...] = ()


def request(options: Mapping[str, str]) -> Request | None:
    """The request of a command line; None in a process that has loaded more than it takes.

    `options`: of the command line, by name, but for how the result is shown.
    """
    loaded = {name for name in sys.modules if name.partition(".")[0] == "compiler"}
    if not loaded <= _LIGHT:
        return None
    try:
        # Paths are shown as they were typed, and as seen from here.
        name = digest("receipt", {"options": dict(options), "folder": os.getcwd()})
        environment = {
            name: value
            for name, value in os.environ.items()
            if name in _NAMES or name.startswith(_PREFIXES)
        }
        # As a digest, because keys are among it.
        process = digest(
            "process", [__version__, sys.version, str(sys.flags), [*sys.path], environment]
        )
    except (OSError, ValueError):
        return None  # no such directory any more, or a name that is no text
    return Request(f"{name[:32]}.json", time.time_ns(), process)


def recall(asked: Request, spec: Path, build: Path | None) -> Receipt | None:
    """What there is to say without a build; None if it must be found out.

    `build`: the directory if not that of the project. What a build holds while it runs is held
    while stamps are looked at, so nobody is answered in the middle of one.
    """
    try:
        folder = build if build is not None else project_root(spec) / "build"
        found = _read(folder / FOLDER / asked.name)
        if found is None or found["process"] != asked.process:
            return None
        with ExitStack() as held:
            for root in found["holds"]:
                held.enter_context(locked(Path(root)))
            if not _holds(found):
                return None
    except (OSError, ProbecError):
        return None  # the ordinary way says what is wrong
    return Receipt(found["text"], found["data"], found["code"], tuple(found["notices"]))


def encode(asked: Request, looks: Sequence[Look], holds: Iterable[Path], receipt: Receipt) -> bytes:
    """The bytes of a receipt. `holds`: the directories that a build locks."""
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
        "holds": [os.path.abspath(path) for path in holds],
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
    """Whether what a build only reads was at rest since before it was read."""
    return inputs.settled <= asked.began and code.settled <= asked.began - _START_NS


def patience(state: Look) -> float | None:
    """Seconds until what a build has written can be trusted; None for too long."""
    left = state.settled - time.time_ns()
    return None if left > _PATIENCE_NS else max(0, left) / 1e9


def everywhere(build: Path) -> list[Path]:
    """The files of all receipts of a build directory."""
    return sorted(path for path in (build / FOLDER).glob("*.json") if path.is_file())


def useless(build: Path, going: Iterable[Path]) -> set[Path]:
    """The receipts of a build directory that hold no more, or will not once `going` is gone."""
    gone = {os.path.abspath(path) for path in going}
    return {
        path
        for path in everywhere(build)
        if (found := _read(path)) is None
        or not gone.isdisjoint(found["files"])
        or not _holds(found)
    }


class _Content(TypedDict):
    """A receipt as JSON. What was listed comes back as lists."""

    schema: int
    process: str
    holds: list[str]
    files: dict[str, list[int] | None]
    trees: dict[str, str]
    listings: list[tuple[str, str, list[str]]]
    notices: list[str]
    text: str
    data: Json
    code: int


def _read(path: Path) -> _Content | None:
    """A receipt, if there is one of this version and no byte of it changed."""
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
