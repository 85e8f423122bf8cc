"""The file formats of sources: JSONL in UTF-8, -16 or -32, also as gzip or zstd; parquet; Arrow.

The content of a file decides how it is read, whatever its name. Other content is an error that
names it, with a remedy.
"""

from __future__ import annotations

import codecs
import gzip
import io
import json
import shutil
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from itertools import islice, zip_longest
from typing import BinaryIO, TypeAlias, TypeVar

import zstandard

from compiler.dataset import arrow
from compiler.dataset.arrow import Row
from compiler.dataset.contents import is_read_in_place, unchanged
from compiler.dataset.frames import Frames
from compiler.dataset.located import Located, opened
from compiler.dataset.source_columns import Names, refuse_repeated, require
from compiler.errors import SourceError, in_a_line

# Raised by a compressed file that is truncated or damaged.
_BROKEN = (OSError, EOFError, zlib.error, zstandard.ZstdError)
# By first bytes. A zstd file may begin with a frame that decompressors skip.
_PACKED = {
    b"\x1f\x8b": "gzip",
    b"\x28\xb5\x2f\xfd": "zstd",
    **{bytes([byte]) + b"\x2a\x4d\x18": "zstd" for byte in range(0x50, 0x60)},
}
Spool: TypeAlias = "Callable[[], AbstractContextManager[BinaryIO]]"
_Table: TypeAlias = "Callable[[BinaryIO, str, Names], Iterator[Row]]"
_TABLES: dict[bytes, tuple[str, _Table]] = {
    b"PAR1": ("parquet", arrow.parquet),
    b"ARROW1": ("Arrow", arrow.arrow_file),
    b"\xff\xff\xff\xff": ("Arrow", arrow.stream),
}
_UNREAD = {
    b"BZh": ("compressed with bzip2", "decompress it, or compress it with gzip or zstd"),
    b"\xfd7zXZ\0": ("compressed with xz", "decompress it, or compress it with gzip or zstd"),
    b"\x04\x22\x4d\x18": ("compressed with lz4", "decompress it, or compress it with gzip or zstd"),
    b"PK\x03\x04": ("a zip archive", "unpack it, and name the file or the directory"),
    b"7z\xbc\xaf\x27\x1c": ("a 7z archive", "unpack it, and name the file or the directory"),
    b"PARE": ("an encrypted parquet file", "write it without encryption"),
    b"FEA1": ("a Feather file of version 1", "write it as parquet"),
    b"ORC": ("an ORC file", "write it as parquet"),
    b"Obj\x01": ("an Avro file", "write it as parquet"),
    b"SQLite format 3": ("an SQLite database", "export the table as parquet or JSONL"),
    b"version https://git-lfs": ("a Git LFS pointer, not the data", "run git lfs pull"),
    b"<": ("an HTML or XML page", "download the data itself"),
}
# The mark of UTF-32 begins with that of UTF-16.
_MARKS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
# By which of the first four bytes are zero; JSON begins with ASCII characters.
_UNMARKED: dict[tuple[int, ...], str] = {
    (1, 1, 1, 0): "UTF-32BE",
    (0, 1, 1, 1): "UTF-32LE",
    (1, 0, 1, 0): "UTF-16BE",
    (0, 1, 0, 1): "UTF-16LE",
}
_HEAD = 32
# In bytes.
_BUFFER = 1 << 16
_T = TypeVar("_T")


def rows(located: Located, columns: Names, spool: Spool) -> Iterator[Row]:
    """Yield every row of a source with its place.

    A JSON row without a document source has null there, unless no row of the source has one.
    `spool`: opens an empty file, for the copy of a table that is compared with its digest.

    Raises:
        SourceError: a file cannot be read, or lacks a column.
        ChangedError: a file does not have the content that the source's digest states.
    """
    source = columns.doc_source
    present, lacking = False, None
    for file, mark in zip_longest(located.files, located.marks):
        for where, row in _file(file, mark, columns, spool):
            if source is not None and source not in row:
                lacking = lacking or (where, list(row))
                row[source] = None
            else:
                present = True
            yield where, row
    if lacking is not None and not present and not columns.lenient:
        where, have = lacking
        require(columns, have, where)


def _file(file: str, mark: str | None, columns: Names, spool: Spool) -> Iterator[Row]:
    try:
        with unchanged(file, mark) as source, _buffered(source) as whole:
            start = whole.peek(_HEAD)[:_HEAD]
            _refuse(start, file)
            table = _table(start, file)
            if table is not None and is_read_in_place(file, mark):
                # The libraries find the start themselves.
                yield from table(source, file, columns)
            elif table is not None:
                # Read in any order, so the bytes that were hashed are kept.
                with spool() as copy:
                    shutil.copyfileobj(whole, copy)
                    yield from table(copy, file, columns)
            else:
                with _lines(whole, start, file) as (lines, packed):
                    yield from _jsonl(lines, file, columns, packed)
    except _BROKEN as error:
        raise _unreadable(error, file) from error


def head(file: str, count: int) -> list[dict[str, object]]:
    """Read the first rows of a file with all of their columns.

    Raises:
        SourceError: the file cannot be read.
    """
    with _whole(file) as (whole, start):
        if _table(start, file) is not None:
            return arrow.head(whole, file, count)
        with _lines(whole, start, file) as (lines, packed):
            return [row for _, row in islice(_jsonl(lines, file, None, packed), count)]


def stated_rows(file: str, columns: Names) -> int | None:
    """Return the number of rows that a parquet file states; None for a file of another format.

    Raises:
        SourceError: the file cannot be read, or lacks a column.
    """
    with _whole(file) as (whole, start):
        if _table(start, file) is arrow.parquet:
            return arrow.stated_rows(whole, file, columns)
    return None


@contextmanager
def _whole(file: str) -> Iterator[tuple[io.BufferedReader, bytes]]:
    """Open a file whose content does not matter to a digest, with its first bytes."""
    try:
        with opened(file) as source, _buffered(source) as whole:
            start = whole.peek(_HEAD)[:_HEAD]
            _refuse(start, file)
            yield whole, start
    except _BROKEN as error:
        raise _unreadable(error, file) from error


@contextmanager
def _lines(
    whole: io.BufferedReader, start: bytes, file: str
) -> Iterator[tuple[io.BufferedReader, str | None]]:
    """Decompress a file of lines if needed; also return its compression."""
    if (packed := _of(start, _PACKED)) is not None:
        unpacked = gzip.GzipFile(fileobj=whole) if packed == "gzip" else Frames(whole)
        with _buffered(unpacked) as lines:
            yield lines, packed
    else:
        _refuse_misnamed(start, file)
        yield whole, None


def _buffered(source: BinaryIO | gzip.GzipFile | Frames) -> io.BufferedReader:
    # Buffered here, because not every file of fsspec can iterate over lines.
    return io.BufferedReader(source, _BUFFER)  # pyrefly: ignore[bad-return, bad-specialization]


def _of(head: bytes, table: Mapping[bytes, _T]) -> _T | None:
    return next((found for start, found in table.items() if head.startswith(start)), None)


def _table(head: bytes, file: str) -> _Table | None:
    """Return the reader of a binary table, None for text and compressed text."""
    found = _of(head, _TABLES)
    if found is not None:
        return found[1]
    if _of(head, _PACKED) is None and not _like_json(head):
        return {"parquet": arrow.parquet, "arrow": arrow.arrow_file}.get(file.rpartition(".")[2])
    return None


def _like_json(head: bytes) -> bool:
    text = head.removeprefix(codecs.BOM_UTF8).lstrip()
    return text.startswith((b"{", b"[")) or _of(head, _MARKS) is not None


def _refuse(head: bytes, file: str) -> None:
    """Raise an error for content of a known kind that is not read."""
    kind, hint = _of(head, _UNREAD) or ("", "")
    if kind:
        raise SourceError(f"is {kind}", where=file, hint=hint)


def _refuse_misnamed(head: bytes, file: str) -> None:
    """Raise an error for content that is not compressed, nor JSON, although its name says so."""
    if file.endswith((".gz", ".zst")):
        if not head:
            raise EOFError("the file is empty")
        if not _like_json(head):
            raise OSError("its content is neither gzip nor zstd, as its name says")


def _refuse_unpacked(head: bytes, file: str, packed: str) -> None:
    """Raise an error for compressed content that is not text."""
    if not head:
        raise EOFError("the file is empty")
    again, table = _of(head, _PACKED), _of(head, _TABLES)
    kind = f"{again}-compressed again" if again else f"a {table[0]} file" if table else None
    if kind is not None:
        raise SourceError(
            f"is {packed}-compressed, and its content is {kind}",
            where=file,
            hint=f"decompress it once with {packed} -d",
        )


def _refuse_unmarked(head: bytes, file: str) -> None:
    """Raise an error for UTF-16 and UTF-32 without a byte-order mark."""
    encoding = _UNMARKED.get(tuple(int(byte == 0) for byte in head[:4]))
    if encoding is not None:
        raise SourceError(
            f"is {encoding} without a byte-order mark",
            where=file,
            hint=f"save it as UTF-8, such as with iconv -f {encoding} -t UTF-8",
        )


def _unreadable(error: Exception, where: str) -> SourceError:
    return SourceError(
        f"cannot be read: {in_a_line(error)}",
        where=where,
        hint="check that the file is complete and readable, or fetch it again",
    )


# lines


def _jsonl(
    lines: io.BufferedReader, file: str, columns: Names | None, packed: str | None = None
) -> Iterator[Row]:
    number = 0
    encoding = None
    try:
        head = lines.peek(_HEAD)[:_HEAD]
        if packed is not None:
            _refuse_unpacked(head, file, packed)
            _refuse(head, file)
        encoding = _of(head, _MARKS)
        if encoding is None:
            _refuse_unmarked(head, file)
        for number, line in enumerate(_utf8(lines, encoding), start=1):
            # A file that was appended to another one may begin with a mark.
            plain = line.removeprefix(codecs.BOM_UTF8)
            if plain.strip():
                where = f"{file}:{number}"
                yield where, _json_row(plain, columns, where)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not {encoding}, as its byte-order mark says: {error.reason}",
            where=f"{file}:{number + 1}",
            hint="save it as UTF-8",
        ) from error
    except _BROKEN as error:
        raise _unreadable(error, f"{file}:{number + 1}") from error


def _utf8(lines: io.BufferedReader, encoding: str | None) -> Iterator[bytes]:
    if encoding is None:
        yield from lines
    else:
        with io.TextIOWrapper(lines, encoding=encoding, newline="\n") as text:
            for line in text:
                yield line.encode("utf-8")


class _Repeating(dict[str, object]):
    """A JSON object with a key that occurs more than once; `given` holds all keys."""

    def __init__(self, pairs: list[tuple[str, object]]) -> None:
        super().__init__(pairs)
        self.given = [key for key, _ in pairs]


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Repeating(pairs)


_DECODER = json.JSONDecoder(object_pairs_hook=_object)


def _json_row(line: bytes, columns: Names | None, where: str) -> dict[str, object]:
    try:
        row = _DECODER.decode(line.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not UTF-8 at byte {error.start} of the line", where=where, hint="save it as UTF-8"
        ) from error
    except (ValueError, RecursionError) as error:
        raise SourceError(f"not JSON: {error}", where=where, hint=_remedy(line)) from error
    if not isinstance(row, dict):
        raise SourceError("not a JSON object", where=where, hint=_remedy(line))
    names = columns.all() if columns is not None else []
    if isinstance(row, _Repeating):
        refuse_repeated(row.given, where)
    for name in names:
        for nested in _repeating(row.get(name)):
            refuse_repeated(nested.given, f"{where}: in the column {name!r}")
    if columns is not None and not row.keys() >= {*names} - {columns.doc_source}:
        require(columns, row, where)
    return row


def _remedy(line: bytes) -> str:
    if line.lstrip().startswith(b"["):
        return "a JSON array is not read; write one object per line, as jq -c '.[]' does"
    if b"\r" in line.strip():
        return "end lines with LF or CRLF: CR alone does not end a line"
    return "one object per line"


def _repeating(value: object) -> Iterator[_Repeating]:
    """Yield the objects with repeated keys in a JSON value."""
    stack = [value]
    while stack:
        each = stack.pop()
        if isinstance(each, _Repeating):
            yield each
        if isinstance(each, dict):
            stack.extend(each.values())
        elif isinstance(each, list):
            stack.extend(each)
