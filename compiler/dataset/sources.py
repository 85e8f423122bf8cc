"""The source reader, which yields documents with their siblings.

Sources have one row per sibling, or one row per document with a list of continuations. The rows of
a document may lie anywhere: they are spooled to disk and grouped by id, so memory holds an index,
never the text.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterable, Iterator
from tempfile import TemporaryFile
from typing import BinaryIO, TypeAlias, cast

import msgspec
from msgspec import Struct, field
from msgspec.structs import replace

from compiler.dataset import formats, texts
from compiler.dataset.formats import Spool
from compiler.dataset.located import Located
from compiler.dataset.source_columns import ColumnNames
from compiler.dataset.texts import Unread
from compiler.errors import SourceError
from compiler.records import Document, Sibling, Skip

_TEXTS = msgspec.json.Decoder(tuple[str, str, str])
# Id, index if declared, and (source, prefix, continuation).
_Usable: TypeAlias = tuple[str, int | None, tuple[str, str, str]]
_NAMED = 3


def count_documents(located: Located, columns: ColumnNames) -> tuple[int, str]:
    """Count the documents of a source that have a usable row; describe the rows without use."""
    found = set()
    skips: list[Skip] = []
    # Only counted: a build reads the files again and compares them with the digest.
    counted = replace(located, marks=())
    for where, row in formats.rows(counted, columns, TemporaryFile):
        found |= {doc_id for doc_id, _, _ in _usable(where, row, columns, skips)}
    return len(found), skipped(skips)


def most_documents(located: Located, columns: ColumnNames, wanted: int) -> tuple[int, str]:
    """Count the documents that a source has at most; describe the rows read without use.

    A parquet file counts with the rows that it states, none of which are read. Other files are read
    until there are `wanted` documents.

    Raises:
        SourceError: a file cannot be read, or lacks a column.
    """
    count = 0
    lines = []
    for file in located.files:
        stated = formats.stated_rows(file, columns)
        if stated is None:
            lines.append(file)
        else:
            count += stated
    found: set[str] = set()
    skips: list[Skip] = []
    from_somewhere = columns.doc_source is None or columns.lenient
    read = replace(located, files=tuple(lines), marks=())
    for where, row in formats.rows(read, columns, TemporaryFile) if count < wanted else ():
        from_somewhere = from_somewhere or row[str(columns.doc_source)] is not None
        found |= {doc_id for doc_id, _, _ in _usable(where, row, columns, skips)}
        # The first value shows that the column of document sources exists.
        if count + len(found) >= wanted and from_somewhere:
            break
    return count + len(found), skipped(skips)


def skipped(skips: Iterable[Skip]) -> str:
    """Describe skipped rows by the most frequent reasons; empty if there are none."""
    reasons = Counter((skip.reason, skip.detail) for skip in skips)
    ranked = sorted(reasons.items(), key=lambda each: (-each[1], each[0]))
    named = [
        f"{count:,} {reason}{f' ({detail})' if detail else ''}"
        for (reason, detail), count in ranked[:_NAMED]
    ]
    if len(ranked) > _NAMED:
        named.append(f"{sum(count for _, count in ranked[_NAMED:]):,} for other reasons")
    total = reasons.total()
    return f"{total:,} row{'s' * (total != 1)} skipped: {', '.join(named)}" if named else ""


class Grouped(Struct):
    """The documents of a source, grouped through a spool file. Iterate once, then read `skips`.

    `spool`: an empty file for reading and writing. `skips`: the rows and siblings left out.
    `copies`: opens an empty file for the copy of a table, see `formats.rows`.
    """

    located: Located
    columns: ColumnNames
    spool: BinaryIO
    skips: list[Skip] = field(default_factory=list)
    copies: Spool = TemporaryFile

    def __iter__(self) -> Iterator[Document]:
        """Yield documents in order of id, each with its siblings in order of index.

        Raises:
            SourceError: rows contradict one another, or no document is usable.
            ChangedError: a file does not have the content that the source's digest states.
        """
        places = self._spool()
        if not places:
            raise SourceError(
                f"no usable document: {skipped(self.skips) or 'there are no rows'}",
                where=self.located.path,
                hint="every row needs an id, a prefix and a continuation; source.columns maps "
                "their names",
            )
        for doc_id in sorted(places):
            yield self._document(doc_id, places[doc_id])

    def _spool(self) -> dict[str, list[tuple[int, int]]]:
        """Write every sibling to the spool; return doc_id -> [(sibling index, offset)]."""
        places: dict[str, list[tuple[int, int]]] = {}
        for where, row in formats.rows(self.located, self.columns, self.copies):
            for doc_id, idx, usable in _usable(where, row, self.columns, self.skips):
                own = places.setdefault(doc_id, [])
                own.append((len(own) if idx is None else idx, self.spool.tell()))
                packed = msgspec.json.encode(usable)
                self.spool.write(struct.pack("<I", len(packed)) + packed)
        return places

    def _document(self, doc_id: str, places: list[tuple[int, int]]) -> Document:
        siblings: dict[int, str] = {}
        first: tuple[str, str] | None = None
        for idx, offset in sorted(places):
            source, prefix, continuation = self._read(offset)
            first = first or (source, prefix)
            if first != (source, prefix):
                what = "doc_source" if first[1] == prefix else "prefix"
                raise SourceError(
                    f"document {doc_id!r} has rows with different {what}",
                    where=self.located.path,
                    hint="give each prefix its own id",
                )
            if siblings.get(idx, continuation) != continuation:
                raise SourceError(
                    f"document {doc_id!r} has two different continuations with index {idx}",
                    where=self.located.path,
                    hint="make (doc_id, doc_idx) unique",
                )
            if idx in siblings:
                self.skips.append(Skip("row_duplicate"))
            siblings[idx] = continuation
        assert first is not None
        return Document(
            doc_id,
            first[0],
            first[1],
            tuple(Sibling(idx, text) for idx, text in sorted(siblings.items())),
        )

    def _read(self, offset: int) -> tuple[str, str, str]:
        self.spool.seek(offset)
        (size,) = struct.unpack("<I", self.spool.read(4))
        return _TEXTS.decode(self.spool.read(size))


def _usable(
    where: str, row: dict[str, object], names: ColumnNames, skips: list[Skip]
) -> Iterator[_Usable]:
    """Yield the usable siblings of a row, and append the reasons of the others to `skips`.

    Raises:
        SourceError: the index is not an integer from 0.
    """
    doc_id = texts.name(row[names.doc_id])
    source = None if names.doc_source is None else texts.name(row[names.doc_source])
    prefix, continuation = texts.text(row[names.prefix]), row[names.continuation]
    if continuation == []:
        skips.append(Skip("row_empty"))
    siblings = continuation if isinstance(continuation, list) else [continuation]
    for number, each in enumerate(siblings):
        idx = number if siblings is continuation else _index(where, row, names)
        fields = (
            (names.doc_id, doc_id),
            # A null source is an empty one; data frames write null as NaN.
            (names.doc_source, "" if source in (None, texts.NAN) else source),
            (names.prefix, prefix),
            (names.continuation, texts.text(each)),
        )
        faults = (_fault(column, value) for column, value in fields)
        fault = next((each for each in faults if each is not None), None)
        if fault is None and doc_id == "":
            fault = Skip("row_null", f"{names.doc_id!r} is empty")
        if fault is None:
            own_id, *own = cast(list[str], [value for _, value in fields])
            yield own_id, idx, (own[0], own[1], own[2])
        else:
            skips.append(fault)


def _index(where: str, row: dict[str, object], names: ColumnNames) -> int | None:
    """Return the sibling index that a row declares.

    Raises:
        SourceError: it is not an integer from 0.
    """
    idx = row[names.doc_idx] if names.doc_idx is not None else None
    if isinstance(idx, float) and idx.is_integer():
        idx = int(idx)
    if idx is None or (isinstance(idx, int) and not isinstance(idx, bool) and 0 <= idx < 2**31):
        return idx
    raise SourceError(
        f"document {row[names.doc_id]!r} has the sibling index {idx!r} in {names.doc_idx!r}",
        where=where,
        hint="use integers from 0, or set source.columns.doc_idx to null",
    )


def _fault(column: str | None, value: str | Unread | None) -> Skip | None:
    """Return the reason to skip a row, by the value of one of its columns."""
    if value is None:
        return Skip("row_null", f"{column!r} is null")
    if isinstance(value, Unread):
        return Skip("row_type", f"{column!r} is {value.kind}")
    try:
        value.encode("utf-8")
    except UnicodeEncodeError:
        return Skip("row_surrogate", f"{column!r} has a lone surrogate")
    return None
