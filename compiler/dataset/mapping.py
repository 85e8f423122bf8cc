"""Proposals for the mapping of a source's columns, by their names, types and first values."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import mean
from typing import Literal, TypeAlias

from compiler.dataset import texts

Kind: TypeAlias = Literal["text", "texts", "integer", "number", "name", "null", "other"]
Rows: TypeAlias = "Sequence[Mapping[str, object]]"

REQUIRED = ("doc_id", "prefix", "continuation")
# Usual names of each column, the most specific first; compared without case, plural and separators.
_NAMES: Mapping[str, tuple[str, ...]] = {
    "doc_id": tuple(
        """docid documentid id uid uuid guid promptid textid exampleid itemid recordid rowid doc
        document key hash""".split()
    ),
    "prefix": tuple(
        """prefix prefixtext prompt prompttext context input inputtext seed beginning start question
        query instruction""".split()
    ),
    "continuation": tuple(
        """continuation completion rollout generation generatedtext generated response output
        outputtext sample suffix answer prediction""".split()
    ),
    "doc_idx": tuple(
        """docidx siblingidx siblingindex sibling sampleidx sampleindex rolloutidx rolloutindex
        completionidx completionindex continuationidx continuationindex idx index k""".split()
    ),
    "doc_source": tuple("docsource sourceurl url uri link source origin page href".split()),
}
_KINDS: Mapping[str, frozenset[Kind]] = {
    "doc_id": frozenset({"text", "integer", "number", "name"}),
    "prefix": frozenset({"text"}),
    "continuation": frozenset({"text", "texts"}),
    "doc_idx": frozenset({"integer"}),
    "doc_source": frozenset({"text", "integer", "number", "name", "null"}),
}
_LAST_WORD = 100
_BY_KIND = 1000
# Mean length in characters from which a text is taken for a prefix or a continuation.
_LONG = 60


def kinds(rows: Rows) -> dict[str, Kind]:
    """Return the kind of each column's values; `null` if it has none, `other` if they differ."""
    found: dict[str, set[Kind]] = {}
    for row in rows:
        for name, value in row.items():
            found.setdefault(name, set()).add(_kind(value))
    return {name: _common(own) for name, own in found.items()}


def proposal(
    rows: Rows, columns: Mapping[str, Kind] | None = None, given: Mapping[str, str | None] = {}
) -> dict[str, str]:
    """Propose a source column for each column of `source.columns`; one may have none.

    `columns`: kinds by name, those of `rows` by default. `given`: columns that are known, with the
    name of their source column, or None where there is none.
    """
    columns = kinds(rows) if columns is None else columns
    found = {role: name for role, name in given.items() if name is not None}
    guessed = set()
    ranked = sorted(_ranked(rows, columns), key=lambda each: each[0])
    for rank, role, name in ranked:
        if role in found or role in given or name in found.values():
            continue
        if role == "doc_id" and not _identifies(rows, name, found.get("prefix")):
            continue
        found[role] = name
        if rank > _BY_KIND:
            guessed.add(role)
    if guessed and not {"prefix", "continuation"} <= found.keys():
        # One long text is as likely the whole document.
        found = {role: name for role, name in found.items() if role not in guessed}
    index, doc_id = found.get("doc_idx"), found.get("doc_id")
    lists = columns.get(found.get("continuation", "")) == "texts"
    if index is not None and "doc_idx" not in given and (lists or not _unique(rows, doc_id, index)):
        del found["doc_idx"]
    return {role: found[role] for role in _NAMES if role in found}


def likeness(names: Iterable[str], missing: Iterable[str]) -> dict[str, str]:
    """Return the source columns whose names look like those of missing ones, by column."""
    wanted = set(missing)
    given = dict.fromkeys(_NAMES.keys() - wanted)
    everything: dict[str, Kind] = dict.fromkeys(names, "text")
    return {
        role: name
        for role, name in proposal([], everything, given).items()
        if _named(role, name) is not None
    }


def _kind(value: object) -> Kind:
    match value:
        case None:
            return "null"
        case str() | bytes():
            return "text"
        case bool():
            return "other"
        case int():
            return "integer"
        case float():
            return "number"
        case list():
            return (
                "texts" if all(each is None or isinstance(each, str) for each in value) else "other"
            )
        case _:
            return "name" if isinstance(texts.name(value), str) else "other"


def _common(own: set[Kind]) -> Kind:
    own = own - {"null"}
    if own == {"integer", "number"}:
        return "number"
    return own.pop() if len(own) == 1 else "null" if not own else "other"


def _ranked(rows: Rows, columns: Mapping[str, Kind]) -> Iterator[tuple[int, str, str]]:
    """Yield rank, column and source column of each match, lower ranks for closer ones."""
    for role, allowed in _KINDS.items():
        fitting = [name for name, kind in columns.items() if kind in allowed]
        for name in fitting:
            rank = _named(role, name)
            if rank is not None:
                yield rank, role, name
        if role == "continuation":
            for name in fitting:
                if columns[name] == "texts":
                    yield _BY_KIND, role, name
        if role in ("prefix", "continuation"):
            for name in fitting:
                if columns[name] == "text" and _length(rows, name) >= _LONG and len(columns) < 4:
                    yield _BY_KIND + 1, role, name


def _named(role: str, name: str) -> int | None:
    """Return the rank of a column's name; None if it is no usual name for the role."""
    words = [each.lower() for each in re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]+", name)]
    if not words:
        return None
    usual = _NAMES[role]
    for text in (plain := "".join(words), plain.removesuffix("s")):
        if text in usual:
            return usual.index(text)
    for text in (words[-1], words[-1].removesuffix("s")):
        if text in usual:
            return _LAST_WORD + usual.index(text)
    return None


def _length(rows: Rows, name: str) -> float:
    sizes = [len(value) for row in rows if isinstance(value := row.get(name), str)]
    return mean(sizes) if sizes else 0.0


def _identifies(rows: Rows, name: str, prefix: str | None) -> bool:
    """Test that no two prefixes have the same value of a column."""
    seen: dict[str, object] = {}
    if prefix is None:
        return True
    return all(
        seen.setdefault(str(row.get(name)), row.get(prefix)) == row.get(prefix) for row in rows
    )


def _unique(rows: Rows, doc_id: str | None, index: str) -> bool:
    """Test that no document of the rows has an index twice."""
    pairs = [(str(row.get(doc_id or "")), row.get(index)) for row in rows]
    return len(set(pairs)) == len(pairs)
