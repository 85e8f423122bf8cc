"""The columns of a source: their names, and errors about missing and repeated ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias

from compiler.errors import SourceError

Content: TypeAlias = Literal["text", "continuations", "index", "name", "other"]
"""The content of a column; `other` is any value that has a text."""


class Names(Protocol):
    """The names of the columns to read. `doc_source`: of the one that rows may lack."""

    @property
    def doc_source(self) -> str | None:
        """Return the name of the column of origins."""

    def all(self) -> list[str]:
        """Return the names, each once."""

    def contents(self) -> dict[str, Content]:
        """Return the content of each column."""


@dataclass(frozen=True, slots=True)
class CorpusNames:
    """The names of the columns of a corpus. `beside`: those that rows are selected by."""

    doc_id: str
    doc_source: str | None
    text: str
    beside: tuple[str, ...]

    def all(self) -> list[str]:
        """Return the names of the columns to read, each once."""
        return list(self.contents())

    def contents(self) -> dict[str, Content]:
        """Return the content of each column."""
        found: dict[str, Content] = dict.fromkeys(self.beside, "other")
        if self.doc_source is not None:
            found[self.doc_source] = "name"
        return {**found, self.doc_id: "name", self.text: "text"}


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the source's columns; None for one that it does not have."""

    doc_id: str
    doc_source: str | None
    prefix: str
    continuation: str
    doc_idx: str | None

    def all(self) -> list[str]:
        """Return the names of the columns to read, each once."""
        names = (self.doc_id, self.doc_source, self.prefix, self.continuation, self.doc_idx)
        return [name for name in dict.fromkeys(names) if name is not None]

    def contents(self) -> dict[str, Content]:
        """Return the content of each column."""
        roles: dict[str | None, Content] = {
            self.prefix: "text",
            self.continuation: "continuations",
            self.doc_idx: "index",
            self.doc_source: "name",
            self.doc_id: "name",
        }
        return {name: content for name, content in roles.items() if name is not None}


def require(names: Iterable[str], have: Iterable[str], where: str) -> None:
    """Check that a file or row has the columns.

    Raises:
        SourceError: a column is missing.
    """
    have = list(have)
    missing = [name for name in names if name not in have]
    if missing:
        raise SourceError(
            f"no column {', '.join(map(repr, missing))} (has: {', '.join(have)})",
            where=where,
            hint="map the names with source.columns in the spec, or --set source.columns.X=NAME; "
            "source.columns.doc_source and .doc_idx are null where there is none; a spec of "
            "rollouts has corpus.columns",
        )


def refuse_repeated(names: Iterable[str], where: str) -> None:
    """Check that no two columns of a file, or keys of a row, have one name.

    Raises:
        SourceError: a name occurs more than once.
    """
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise SourceError(
            f"more than one column {', '.join(map(repr, repeated))}",
            where=where,
            hint="rename or drop all but one",
        )
