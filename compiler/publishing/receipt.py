"""The receipts of pushes: one line of JSON for each push that changed its target."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler.errors import StoreError


@dataclass(frozen=True)
class Receipt:
    """One push. `at`: UTC; `files`: the SHA-256 of every published file; `bytes`: sent."""

    at: str
    tool: str
    name: str
    to: str
    revision: str | None
    parent: str | None
    commits: tuple[str, ...]
    tags: tuple[str, ...]
    pull_request: str | None
    rounds: dict[int, str]
    added: tuple[str, ...]
    replaced: tuple[str, ...]
    deleted: tuple[str, ...]
    bytes: int
    files: dict[str, str]


def now() -> str:
    """Return the time in UTC."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def append(path: Path, receipt: Receipt) -> None:
    """Add a receipt to a file.

    Raises:
        StoreError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as out:
            out.write(msgspec.json.encode(receipt) + b"\n")
    except OSError as error:
        raise StoreError(
            f"the push is done, but its receipt cannot be written: {error.strerror}",
            where=str(path),
            hint="make it writable",
        ) from error


def pull_request(path: Path, to: str) -> int:
    """Return the number of the last pull request to a place; 0 if there is none.

    Raises:
        StoreError: a receipt is not of this version.
    """
    lines = path.read_bytes().splitlines() if path.is_file() else []
    for line in reversed(lines):
        try:
            found = msgspec.json.decode(line, type=Receipt)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"not a receipt of this version: {error}", where=str(path), hint="move it away"
            ) from error
        if found.to == to and found.pull_request is not None:
            return int(found.pull_request.rpartition("/")[2])
    return 0
