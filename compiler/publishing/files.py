"""The files of a publication, compared with those at its target."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from compiler.dataset.rollout_columns import FACTS, LEDGER, REJECTED
from compiler.errors import PublishError
from compiler.report.publication import DATA_FILE, MANIFEST

CARD = "README.md"
TEXTS = (
    *(CARD, MANIFEST, "stats.json", "card.json", "rejects.jsonl", "audits.jsonl"),
    *(LEDGER, FACTS, REJECTED),
)
"""The files beside the data, which a push replaces."""
_ROUND = re.compile(r"-round-([0-9]{3,})\.parquet$")


@dataclass(frozen=True, slots=True)
class File:
    """A file to push."""

    path: Path
    bytes: int
    sha256: str

    def blob(self) -> str:
        """Compute the id that git gives a file that it stores itself."""
        data = self.path.read_bytes()
        return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


@dataclass(frozen=True, slots=True)
class There:
    """A file at the target: its size, and its SHA-256 or, where git stores it, its git id."""

    bytes: int
    sha256: str | None = None
    blob: str | None = None

    def same(self, file: File) -> bool:
        """Test if it has the content of a file to push."""
        if self.bytes != file.bytes:
            return False
        return self.sha256 == file.sha256 if self.sha256 else self.blob == file.blob()


@dataclass(frozen=True, slots=True)
class Changes:
    """Names of the files that a push adds, replaces, deletes and leaves. `bytes`: to be sent."""

    added: tuple[str, ...]
    replaced: tuple[str, ...]
    deleted: tuple[str, ...]
    same: tuple[str, ...]
    bytes: int

    @property
    def sent(self) -> tuple[str, ...]:
        """The files to send: data first, then the texts, the card and the manifest."""
        return ordered((*self.added, *self.replaced))

    @property
    def any(self) -> bool:
        """True if the target has to change."""
        return bool(self.added or self.replaced or self.deleted)


def ordered(names: Iterable[str]) -> tuple[str, ...]:
    """Sort names in the order of sending: the card and the manifest describe the others."""
    last = {name: place for place, name in enumerate((CARD, MANIFEST), 2)}
    return tuple(sorted(names, key=lambda each: (last.get(each, each in TEXTS), each)))


def described(path: Path) -> File:
    """Read the size and the digest of a file."""
    with path.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    return File(path, path.stat().st_size, found)


def compare(
    wanted: Mapping[str, File], there: Mapping[str, There], globs: Iterable[str], where: str
) -> Changes:
    """Compare a publication with its target.

    `globs`: the patterns by which the card names data files. Files that no push wrote stay.

    Raises:
        PublishError: such a file would be read as data of this dataset.
    """
    ours = {name for name in there if name in TEXTS or DATA_FILE.fullmatch(name)}
    patterns = tuple(globs)
    foreign = sorted(
        name
        for name in there.keys() - ours - wanted.keys()
        if any(fnmatchcase(name, pattern) for pattern in patterns)
    )
    if foreign:
        more = f" and {len(foreign) - 1} more" if len(foreign) > 1 else ""
        raise PublishError(
            f"{foreign[0]}{more}, which no push wrote, would be read as data of this dataset",
            where=where,
            hint="delete it there, or push to another place",
        )
    added = wanted.keys() - there.keys()
    same = {name for name in wanted.keys() & there.keys() if there[name].same(wanted[name])}
    replaced = wanted.keys() - added - same
    return Changes(
        tuple(sorted(added)),
        tuple(sorted(replaced)),
        tuple(sorted(ours - wanted.keys())),
        tuple(sorted(same)),
        sum(wanted[name].bytes for name in (*added, *replaced)),
    )


def of_round(names: Iterable[str], index: int) -> set[str]:
    """Return those of the names that hold rows of a round."""
    return {name for name in names if (found := _ROUND.search(name)) and int(found[1]) == index}
