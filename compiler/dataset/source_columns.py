"""The columns of a source: their names, and errors about missing and repeated ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiler.dataset import mapping
from compiler.errors import SourceError


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the source's columns; None for one that it does not have.

    `lenient`: a source without the column `doc_source` has no document sources.
    """

    doc_id: str
    doc_source: str | None
    prefix: str
    continuation: str
    doc_idx: str | None
    lenient: bool = False

    def all(self) -> list[str]:
        """Return the names of the columns to read, each once."""
        names = (self.doc_id, self.doc_source, self.prefix, self.continuation, self.doc_idx)
        return [name for name in dict.fromkeys(names) if name is not None]

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


def require(columns: ColumnNames, have: Iterable[str], where: str) -> None:
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
            hint=remedy(roles, mapping.likeness(free, roles)),
        )


def remedy(roles: Sequence[str], proposed: Mapping[str, str]) -> str:
    """Return how to map columns. `proposed`: source columns that look like some of them."""
    alike = [f"`{name}` looks like {role}" for role, name in proposed.items() if role in roles]
    sets = [f"{role}: {name}" for role, name in proposed.items() if role in roles]
    lost = [role for role in roles if role not in proposed]
    found = [f"{', '.join(alike)}: set source.columns to {{{', '.join(sets)}}}"] if alike else []
    if lost:
        found.append(f"map {', '.join(lost)} with source.columns, or --set source.columns.X=NAME")
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
