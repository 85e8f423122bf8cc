"""What the file system says of files, to know without reading them that nothing was done to them.

A stamp is size, time of the last write, time of the last change of any kind, and inode number.
Nobody can set the time of change, so an edit, a replacement, or a touch moves the stamp even where
size and time of writing are put back. One gap is left: two changes within one tick of the file
system's clock have the same time. So a stamp counts only when it was taken a margin after that
time, which is what `Look.settled` says.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

# Kernels tick at least every 10 ms.
MARGIN_NS = 50_000_000
# File systems that keep seconds, or two of them; their times are round.
_COARSE_NS = 4_000_000_000
_ROUND_NS = 1_000_000


@dataclass
class Look:
    """Files, trees and listings as they are seen. Looking raises OSError where it is not allowed.

    `files`: path -> stamp, None for nothing there. `trees`: directory -> digest of the names and
    stamps of all files below. `listings`: (directory, pattern) -> names found. `settled`: the time
    in nanoseconds since the epoch from which on no later change can look like what was seen.
    """

    files: dict[str, list[int] | None] = field(default_factory=dict)
    trees: dict[str, str] = field(default_factory=dict)
    listings: list[tuple[str, str, list[str]]] = field(default_factory=list)
    settled: int = 0

    def file(self, path: Path | str) -> int:
        """Look at a file that must be there, or at what it links to; returns its size.

        A directory is stamped as itself: names that come and go move its stamp.
        """
        stamp = self.perhaps(path)
        if stamp is None:
            raise FileNotFoundError(path)
        return stamp[0]

    def perhaps(self, path: Path | str) -> list[int] | None:
        """Look at a file that need not be there; returns its stamp."""
        name = os.path.abspath(path)
        stamp = self.files[name] = self._seen(_stamp(name))
        return stamp

    def tree(self, folder: Path | str, *, removals: bool = True) -> None:
        """Look at every file below a directory, if there is one; bytecode is no content.

        `removals`: what was lately taken away is no more settled than what lately came.
        """
        name = os.path.abspath(folder)
        files, folders = _below(name)
        self.trees[name] = _digest(files)
        for _, stamp in files:
            self._seen(stamp)
        for each in folders if removals else ():
            self._seen(_stamp(each))

    def listing(self, folder: Path, pattern: str) -> None:
        """Look at which names of a directory fit a pattern; not at the files."""
        name = os.path.abspath(folder)
        self.listings.append((name, pattern, _listed(name, pattern)))

    def holds(self) -> bool:
        """Whether everything is as it was seen."""
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
    """Whether everything is as a look saw it; what cannot be looked at is not."""
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
    """Every file below a directory with its stamp, and every directory; links are followed, each
    directory once."""
    found: list[tuple[str, list[int] | None]] = []
    folders: list[str] = []
    waiting, seen = [folder], set[tuple[int, int]]()
    while waiting:
        here = waiting.pop()
        if not os.path.isdir(here):
            continue  # a tree may not be there: it has no files
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
