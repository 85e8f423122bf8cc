"""File stamps, which detect changes of files without reading them.

A stamp is size, mtime, ctime and inode number. No program can set ctime, so an edit, a replacement
or a touch changes the stamp even if size and mtime are restored. One gap remains: two changes
within one tick of the file system's clock have the same ctime. A stamp is therefore trusted only if
it was taken a margin after its ctime (`Look.settled`).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# File times advance with the kernel's tick, at least every 10 ms.
MARGIN_NS = 50_000_000
# For file systems whose times have a resolution of 1 or 2 s, recognised by round times.
_COARSE_NS = 4_000_000_000
_ROUND_NS = 1_000_000


@dataclass
class Look:
    """A snapshot of files, directory trees and listings. Its methods raise OSError without access.

    `files`: path -> stamp, None for a missing file. `trees`: directory -> digest of the names and
    stamps of all files below. `listings`: (directory, pattern, names found). `settled`: time in
    nanoseconds since the epoch; a snapshot taken after it misses no later change.
    """

    files: dict[str, list[int] | None] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    listings: list[tuple[str, str, list[str]]] = field(default_factory=list)
    settled: int = 0

    def file(self, path: Path | str) -> int:
        """Record the stamp of a file or of a link's target; return its size in bytes.

        A directory has a stamp too, which changes when an entry is added or removed.

        Raises:
            FileNotFoundError: the file does not exist.
        """
        stamp = self.perhaps(path)
        if stamp is None:
            raise FileNotFoundError(path)
        return stamp[0]

    def perhaps(self, path: Path | str) -> list[int] | None:
        """Record and return the stamp of a file, None if it does not exist."""
        name = os.path.abspath(path)
        stamp = self.files[name] = self._seen(_stamp(name))
        return stamp

    def tree(self, folder: Path | str, *, removals: bool = True) -> None:
        """Record every file below a directory, which need not exist; bytecode is left out.

        `removals`: let recent removals delay `settled` too, through the stamps of the directories.
        """
        name = os.path.abspath(folder)
        files, folders = _below(name)
        self.trees[name] = _digest(files)
        for _, stamp in files:
            self._seen(stamp)
        for each in folders if removals else ():
            self._seen(_stamp(each))

    def listing(self, folder: Path, pattern: str) -> None:
        """Record which names in a directory match a pattern, without stamps of the files."""
        name = os.path.abspath(folder)
        self.listings.append((name, pattern, _listed(name, pattern)))

    def holds(self) -> bool:
        """Return True if nothing changed since the snapshot."""
        return holds(self.files, self.trees, self.listings)

    def _seen(self, stamp: list[int] | None) -> list[int] | None:
        if stamp is not None:
            self.settled = max(self.settled, _settled(stamp))
        return stamp


def holds(
    files: dict[str, list[int] | None],
    trees: dict[str, str],
    listings: Sequence[tuple[str, str, list[str]]],
) -> bool:
    """Return True if nothing changed since a snapshot; files without access count as changed."""
    try:
        return (
            all(_stamp(name) == stamp for name, stamp in files.items())
            and all(_listed(name, pattern) == names for name, pattern, names in listings)
            and all(_digest(_below(name)[0]) == digest for name, digest in trees.items())
        )
    except OSError:
        return False


def _stamp(name: str) -> list[int] | None:
    try:
        found = os.stat(name)
    except (FileNotFoundError, NotADirectoryError):
        return None
    return [found.st_size, found.st_mtime_ns, found.st_ctime_ns, found.st_ino]


def _settled(stamp: list[int]) -> int:
    _, _, changed, _ = stamp
    return changed + (MARGIN_NS if changed % _ROUND_NS else _COARSE_NS)


def _below(folder: str) -> tuple[list[tuple[str, list[int] | None]], list[str]]:
    """Return the stamp of every file below a directory, and every directory.

    Links are followed; a directory that several paths lead to is visited once.
    """
    found: list[tuple[str, list[int] | None]] = []
    folders: list[str] = []
    waiting, seen = [folder], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        if not os.path.isdir(here):
            continue  # a tree that does not exist has no files
        status = os.stat(here)
        if (status.st_dev, status.st_ino) in seen:
            continue
        seen.add((status.st_dev, status.st_ino))
        folders.append(here)
        for entry in sorted(os.scandir(here), key=lambda entry: entry.name):
            if not entry.is_dir():
                found.append((entry.path, _stamp(entry.path)))
            elif entry.name != "__pycache__":
                waiting.append(entry.path)
    return found, folders


def _digest(found: Iterable[tuple[str, list[int] | None]]) -> str:
    lines = "\n".join(f"{name!r} {stamp}" for name, stamp in found)
    return hashlib.sha256(lines.encode()).hexdigest()


def _listed(folder: str, pattern: str) -> list[str]:
    return sorted(str(path) for path in Path(folder).glob(pattern))
