"""The columns of a source: their names, and errors about missing and repeated ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import ClassVar, Literal, Protocol, TypeAlias

from msgspec import Struct

from compiler.dataset import mapping
from compiler.errors import SourceError
from compiler.spec.model import Spec

Content: TypeAlias = Literal["text", "continuations", "index", "name", "other"]
"""The content of a column; `other` is any value that has a text."""


class Names(Protocol):
    """The names of the columns to read.

    `doc_source`: of the one that rows may lack; `lenient`: files may lack it too. `key`: of the
    spec, under which they are declared.
    """

    key: ClassVar[str]

    @property
    def lenient(self) -> bool:
        """Return whether a file may lack the column of origins."""

    @property
    def doc_source(self) -> str | None:
        """Return the name of the column of origins."""

    def all(self) -> list[str]:
        """Return the names, each once."""

    def contents(self) -> dict[str, Content]:
        """Return the content of each column."""

    def identity(self) -> dict[str, str | None]:
        """Return the names by their keys in the spec."""

    def needed(self) -> list[str]:
        """Return the names of the columns that a source must have."""

    def role(self, name: str) -> str:
        """Return the key in the spec that has a name."""


class CorpusNames(Struct, frozen=True):
    """The names of the columns of a corpus. `beside`: those that rows are selected by."""

    doc_id: str
    doc_source: str | None
    text: str
    beside: tuple[str, ...]
    key: ClassVar[str] = "corpus.columns"
    lenient: ClassVar[bool] = False

    def all(self) -> list[str]:
        """Return the names of the columns to read, each once."""
        return list(self.contents())

    def contents(self) -> dict[str, Content]:
        """Return the content of each column."""
        found: dict[str, Content] = dict.fromkeys(self.beside, "other")
        if self.doc_source is not None:
            found[self.doc_source] = "name"
        return {**found, self.doc_id: "name", self.text: "text"}

    def identity(self) -> dict[str, str | None]:
        """Return the names by key of `corpus.columns`."""
        return {"doc_id": self.doc_id, "doc_source": self.doc_source, "text": self.text}

    def needed(self) -> list[str]:
        """Return the names of the columns that a corpus must have."""
        return self.all()

    def role(self, name: str) -> str:
        """Return the key of `corpus.columns` that has a name, or the name of a selecting column."""
        return next((role for role, each in self.identity().items() if each == name), name)


class ColumnNames(Struct, frozen=True):
    """The names of the source's columns; None for one that it does not have.

    `lenient`: a source without the column `doc_source` has no document sources.
    """

    doc_id: str
    doc_source: str | None
    prefix: str
    continuation: str
    doc_idx: str | None
    lenient: bool = False
    key: ClassVar[str] = "source.columns"

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

    def identity(self) -> dict[str, str | None]:
        """Return the names by key of `source.columns`."""
        return {
            "doc_id": self.doc_id,
            "doc_source": self.doc_source,
            "prefix": self.prefix,
            "continuation": self.continuation,
            "doc_idx": self.doc_idx,
        }

    def needed(self) -> list[str]:
        """Return the names of the columns that a source must have."""
        return [name for name in self.all() if name != self.doc_source or not self.lenient]

    def role(self, name: str) -> str:
        """Return the key of `source.columns` that has a name."""
        roles = ("doc_id", "prefix", "continuation", "doc_idx", "doc_source")
        return next(role for role in roles if getattr(self, role) == name)


def column_names(spec: Spec) -> ColumnNames:
    """Return the declared column names; a source may lack the default column `doc_source`."""
    columns = spec.source.columns
    return ColumnNames(**columns.model_dump(), lenient="doc_source" not in columns.model_fields_set)


def require(columns: Names, have: Iterable[str], where: str) -> None:
    """Check that a file or row has the columns.

    Raises:
        SourceError: a column is missing; the hint proposes a mapping.
    """
    have = list(have)
    missing = [name for name in columns.needed() if name not in have]
    if missing:
        roles = [columns.role(name) for name in missing]
        used = {*columns.all()} - {*missing}
        free = [name for name in have if name not in used]
        raise SourceError(
            f"no column {', '.join(map(repr, missing))} (has: {', '.join(have)})",
            where=where,
            hint=remedy(roles, mapping.likeness(free, roles), columns.key),
        )


def remedy(roles: Sequence[str], proposed: Mapping[str, str], key: str = ColumnNames.key) -> str:
    """Return how to map columns. `proposed`: source columns that look like some of them."""
    alike = [f"`{name}` looks like {role}" for role, name in proposed.items() if role in roles]
    sets = [f"{role}: {name}" for role, name in proposed.items() if role in roles]
    lost = [role for role in roles if role not in proposed]
    found = [f"{', '.join(alike)}: set {key} to {{{', '.join(sets)}}}"] if alike else []
    if lost:
        found.append(f"map {', '.join(lost)} with {key}, or --set {key}.X=NAME")
        none = [each for each in ("doc_source", "doc_idx") if each in lost]
        found += [f"{each} is null where there is none" for each in none]
    return "; ".join(found)


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
