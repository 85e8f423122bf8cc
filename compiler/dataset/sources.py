"""The source reader, which yields documents with their siblings.

Sources are Parquet or JSONL, with one row per sibling, or one row per document with a list of
continuations. The rows of a document may lie anywhere: they are spooled to disk and grouped by id,
so memory holds an index, never the text.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import BinaryIO

import msgspec
import zstandard

from compiler.dataset.frames import Frames
from compiler.dataset.located import Located, opened
from compiler.errors import SourceError, in_a_line
from compiler.records import Document, Sibling, Skip

_TEXTS = msgspec.json.Decoder(tuple[str, str, str])
# Raised by a compressed file that is truncated or damaged.
_BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)


@dataclass(frozen=True, slots=True)
class ColumnNames:
    """The names of the source's columns; None for one that it does not have."""

    doc_id: str
    doc_source: str | None
    prefix: str
    continuation: str
    doc_idx: str | None

    def all(self) -> list[str]:
        """Return the names of the columns to read."""
        names = (self.doc_id, self.doc_source, self.prefix, self.continuation, self.doc_idx)
        return [name for name in names if name is not None]


def count_documents(located: Located, columns: ColumnNames) -> int:
    """Count the documents of a source that have a usable row."""
    found = set()
    for row in _rows(located, columns.all()):
        doc_id = _id(row[columns.doc_id])
        if any(_fault(doc_id, texts) is None for _, texts in _siblings(row, columns)):
            found.add(doc_id)
    return len(found)


# reading


def _rows(located: Located, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    for file in located.files:
        reader = _parquet if file.endswith(".parquet") else _jsonl
        yield from reader(file, columns)


def _parquet(file: str, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    import pyarrow
    import pyarrow.parquet as pq

    try:
        with opened(file) as source:
            table = pq.ParquetFile(source)
            _require(columns, table.schema_arrow.names, file)
            for batch in table.iter_batches(batch_size=256, columns=list(columns)):
                yield from batch.to_pylist()
    except (pyarrow.ArrowException, UnicodeDecodeError, OSError) as error:
        raise SourceError(
            f"not a complete parquet file: {in_a_line(error)}", where=file, hint="fetch it again"
        ) from error


def _jsonl(file: str, columns: Sequence[str]) -> Iterator[dict[str, object]]:
    packed = file.endswith((".gz", ".zst"))
    number = 0
    try:
        with (
            opened(file, "gzip" if file.endswith(".gz") else None) as source,
            # Buffered here, because not every decompressor of fsspec can iterate over lines.
            io.BufferedReader(Frames(source) if file.endswith(".zst") else source) as lines,  # type: ignore[type-var]
        ):
            if packed and not lines.peek(1):
                raise EOFError("the file is empty")
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield _json_row(line, columns, f"{file}:{number}")
    except _BROKEN as error:
        raise SourceError(
            f"cannot be read: {in_a_line(error)}", where=f"{file}:{number + 1}"
        ) from error


def _json_row(line: bytes, columns: Sequence[str], where: str) -> dict[str, object]:
    try:
        row = json.loads(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not UTF-8 at byte {error.start} of the line", where=where, hint="save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}", where=where, hint="one object per line") from error
    if not isinstance(row, dict):
        raise SourceError("not a JSON object", where=where, hint="one object per line")
    _require(columns, list(row), where)
    return row


def _require(columns: Sequence[str], have: Sequence[str], where: str) -> None:
    missing = [name for name in columns if name not in have]
    if missing:
        raise SourceError(
            f"no column {', '.join(repr(name) for name in missing)} (has: {', '.join(have)})",
            where=where,
            hint="map the names with source.columns in the spec, or --set source.columns.X=NAME",
        )


# grouping


@dataclass
class Grouped:
    """The documents of a source, grouped through a spool file. Iterate once, then read `skips`.

    `spool`: an empty file for reading and writing. `skips`: the rows and siblings left out.
    """

    located: Located
    columns: ColumnNames
    spool: BinaryIO
    skips: list[Skip] = field(default_factory=list)

    def __iter__(self) -> Iterator[Document]:
        """Yield documents in order of id, each with its siblings in order of index.

        Raises:
            SourceError: rows contradict one another, or no document is usable.
        """
        places = self._spool()
        if not places:
            reasons = Counter(skip.reason for skip in self.skips)
            why = ", ".join(f"{count:,} {reason}" for reason, count in sorted(reasons.items()))
            raise SourceError(
                f"no usable document{f' among the rows: {why}' if why else ''}",
                where=self.located.path,
                hint="check the file and its columns: ids must be text or integers, and every row "
                "needs a prefix and a continuation, as text",
            )
        for doc_id in sorted(places):
            yield self._document(doc_id, places[doc_id])

    def _spool(self) -> dict[str, list[tuple[int, int]]]:
        """Write every sibling to the spool; return doc_id -> [(sibling index, offset)]."""
        places: dict[str, list[tuple[int, int]]] = {}
        for row in _rows(self.located, self.columns.all()):
            doc_id = _id(row[self.columns.doc_id])
            siblings = list(_siblings(row, self.columns))
            if not siblings:
                self.skips.append(Skip("row_empty"))
            for idx, texts in siblings:
                reason = _fault(doc_id, texts)
                if reason is not None:
                    self.skips.append(Skip(reason))
                    continue
                own = places.setdefault(str(doc_id), [])
                own.append((len(own) if idx is None else idx, self.spool.tell()))
                packed = msgspec.json.encode(texts)
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


def _id(value: object) -> object:
    """Return an integer id as text, and any other value unchanged."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _siblings(
    row: dict[str, object], names: ColumnNames
) -> Iterator[tuple[int | None, tuple[object, object, object]]]:
    """Yield the siblings of a row: index if declared, and (source, prefix, continuation).

    Raises:
        SourceError: the index is not an integer from 0.
    """
    continuation = row[names.continuation]
    source = row[names.doc_source] if names.doc_source is not None else ""
    if isinstance(continuation, list):
        for number, each in enumerate(continuation):
            yield number, (source, row[names.prefix], each)
        return
    idx = row[names.doc_idx] if names.doc_idx is not None else None
    if isinstance(idx, float) and idx.is_integer():
        idx = int(idx)
    if idx is not None and (
        not isinstance(idx, int) or isinstance(idx, bool) or not 0 <= idx < 2**31
    ):
        raise SourceError(
            f"document {row[names.doc_id]!r} has the sibling index {idx!r}",
            where=names.doc_idx,
            hint="use integers from 0, or set source.columns.doc_idx to null",
        )
    yield idx, (source, row[names.prefix], continuation)


def _fault(doc_id: object, texts: tuple[object, object, object]) -> str | None:
    values = (doc_id, *texts)
    if not all(isinstance(value, str) for value in values) or not doc_id:
        return "row_null"
    for value in values:
        try:
            str(value).encode("utf-8")
        except UnicodeEncodeError:
            return "row_surrogate"
    return None
