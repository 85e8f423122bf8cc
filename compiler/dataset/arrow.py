"""Rows of parquet and Arrow files, with values that do not depend on other installed libraries."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from compiler.dataset import mapping, texts
from compiler.dataset.source_columns import Content, Names, refuse_repeated, remedy, require
from compiler.dataset.texts import Unread
from compiler.errors import SourceError, in_a_line

if TYPE_CHECKING:
    import pyarrow as pa

Row: TypeAlias = tuple[str, dict[str, object]]
# Converts a column of a batch to Python values.
_Reader: TypeAlias = "Callable[[pa.Array], list[object]]"

_BATCH = 256
_END = b"\xff\xff\xff\xff\0\0\0\0"
_UNITS = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}
_DAY_MS = 86_400_000
_NAMES_ARE = "text, UTF-8 bytes, numbers, UUIDs, timestamps or dates"


def parquet(source: BinaryIO, file: str, columns: Names) -> Iterator[Row]:
    """Yield the rows of a parquet file with their places.

    Raises:
        SourceError: the file is damaged, or its columns are not those of a source.
    """
    import pyarrow.parquet as pq

    with _translated("parquet", file):
        table = pq.ParquetFile(source)
        readers = _readers(table.schema_arrow, file, columns)
        batches = table.iter_batches(batch_size=_BATCH, columns=[*readers])
        yield from _rows(batches, file, readers)


def stated_rows(source: BinaryIO, file: str, columns: Names) -> int:
    """Return the number of rows of a parquet file, of which only the schema is read.

    Raises:
        SourceError: the file is damaged, or its columns are not those of a source.
    """
    import pyarrow.parquet as pq

    with _translated("parquet", file):
        table = pq.ParquetFile(source)
        _readers(table.schema_arrow, file, columns)
        return int(table.metadata.num_rows)


def head(source: BinaryIO, file: str, count: int) -> list[dict[str, object]]:
    """Read the first rows of a parquet or Arrow file, with all columns.

    Raises:
        SourceError: the file is damaged, or two columns have one name.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with _translated("parquet or Arrow", file):
        start = source.read(6)
        source.seek(0)
        if start.startswith(b"PAR1"):
            table = pq.ParquetFile(source)
            schema, batches = table.schema_arrow, table.iter_batches(batch_size=count)
        elif start == b"ARROW1":
            reader = pa.ipc.open_file(source)
            schema = reader.schema
            batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        else:
            batches = pa.ipc.open_stream(source)
            schema = batches.schema
        refuse_repeated(schema.names, file)
        batch = next(iter(batches), None)
        rows: list[dict[str, object]] = (
            batch.slice(0, count).to_pylist() if batch is not None else []
        )
        return rows or [dict.fromkeys(schema.names)]


def arrow_file(source: BinaryIO, file: str, columns: Names) -> Iterator[Row]:
    """Yield the rows of an Arrow file (Feather of version 2) with their places.

    Raises:
        SourceError: the file is damaged, or its columns are not those of a source.
    """
    import pyarrow as pa

    with _translated("Arrow", file):
        reader = pa.ipc.open_file(source)
        readers = _readers(reader.schema, file, columns)
        batches = (reader.get_batch(number) for number in range(reader.num_record_batches))
        yield from _rows(batches, file, readers)


def stream(source: BinaryIO, file: str, columns: Names) -> Iterator[Row]:
    """Yield the rows of an Arrow stream, as in saved datasets, with their places.

    Raises:
        SourceError: the file is damaged, or its columns are not those of a source.
    """
    import pyarrow as pa

    with _translated("Arrow", file):
        # The library takes a stream that is truncated between two batches for a complete one.
        source.seek(-len(_END), 2)
        if source.read() != _END:
            raise EOFError("the stream has no end")
        source.seek(0)
        reader = pa.ipc.open_stream(source)
        yield from _rows(reader, file, _readers(reader.schema, file, columns))


@contextmanager
def _translated(format_name: str, file: str) -> Iterator[None]:
    import pyarrow as pa

    try:
        yield
    except (pa.ArrowException, OSError, EOFError) as error:
        raise SourceError(
            f"not a complete {format_name} file: {in_a_line(error)}",
            where=file,
            hint="fetch or write it again",
        ) from error


def _rows(
    batches: Iterable[pa.RecordBatch], file: str, readers: dict[str, _Reader]
) -> Iterator[Row]:
    number = 0
    for batch in batches:
        for start in range(0, batch.num_rows, _BATCH):
            part = batch.slice(start, _BATCH)
            values = [
                _values(part.column(name), read, f"{file}: column {name!r} after row {number}")
                for name, read in readers.items()
            ]
            for row in zip(*values, strict=True):
                number += 1
                yield f"{file}: row {number}", dict(zip(readers, row, strict=True))


def _values(column: pa.Array, read: _Reader, where: str) -> list[object]:
    try:
        return read(column)
    except UnicodeDecodeError as error:
        raise SourceError(
            f"not UTF-8: {in_a_line(error)}", where=where, hint="save the text as UTF-8"
        ) from error


def _readers(schema: pa.Schema, file: str, columns: Names) -> dict[str, _Reader]:
    """Choose how each column is read, by its type.

    Raises:
        SourceError: a column is missing, repeated, or of a type that is not read.
    """
    refuse_repeated(schema.names, file)
    require(columns, schema.names, file)
    readers: dict[Content, tuple[Callable[[pa.DataType], _Reader | None], str]] = {
        "text": (_text, "text"),
        "continuations": (_continuations, "text or lists of text"),
        "index": (_index, "integers"),
        "name": (_name, _NAMES_ARE),
        "other": (_other, _NAMES_ARE),
    }
    contents = columns.contents()
    found = {}
    for column in _present(columns, schema):
        choose, wanted = readers[contents[column]]
        kind = schema.field(column).type
        reader = choose(kind)
        if reader is None:
            raise SourceError(
                f"the column {column!r} has the type {kind}, not {wanted}",
                where=file,
                hint=_remedy(schema, columns, column),
            )
        found[column] = reader
    return found


def _remedy(schema: pa.Schema, columns: Names, wrong: str) -> str:
    """Return what to do about a column of another type, with a proposal where there is one."""
    role = columns.role(wrong)
    kinds = {name: _kind(schema.field(name).type) for name in schema.names}
    given = {key: name for key, name in columns.identity().items() if key != role}
    proposed = mapping.proposal([], kinds, given).get(role)
    if proposed is None:
        return f"convert the column, or map another one with {columns.key}"
    return remedy([role], {role: proposed}, columns.key)


def _kind(kind: pa.DataType) -> mapping.Kind:
    import pyarrow.types as of

    if _text(kind) is not None:
        return "text"
    if _continuations(kind) is not None:
        return "texts"
    if of.is_integer(kind):
        return "integer"
    return "name" if _name(kind) is not None else "other"


def _present(columns: Names, schema: pa.Schema) -> list[str]:
    """Return the columns to read, without the optional ones that are absent."""
    return [name for name in columns.all() if name in schema.names]


def _plain(column: pa.Array) -> list[object]:
    values: list[object] = column.to_pylist()
    return values


def _decoded(read: _Reader, column: pa.Array) -> list[object]:
    return read(column.dictionary_decode())


def _text(kind: pa.DataType) -> _Reader | None:
    import pyarrow.types as of

    if of.is_dictionary(kind):
        return _plain if _text(kind.value_type) else None
    texts_and_bytes = (
        *(of.is_string, of.is_large_string, of.is_string_view, of.is_null),
        *(of.is_binary, of.is_large_binary, of.is_binary_view, of.is_fixed_size_binary),
    )
    return _plain if any(each(kind) for each in texts_and_bytes) else None


def _continuations(kind: pa.DataType) -> _Reader | None:
    import pyarrow.types as of

    lists = (of.is_list, of.is_large_list, of.is_fixed_size_list, of.is_list_view)
    if any(each(kind) for each in (*lists, of.is_large_list_view)):
        kind = kind.value_type
    return _text(kind)


def _index(kind: pa.DataType) -> _Reader | None:
    import pyarrow.types as of

    fits = of.is_integer(kind) or of.is_floating(kind) or of.is_null(kind)
    return _plain if fits else None


def _name(kind: pa.DataType) -> _Reader | None:
    import pyarrow as pa
    import pyarrow.types as of

    if of.is_dictionary(kind):
        read = _name(kind.value_type)
        return None if read is None else partial(_decoded, read)
    if of.is_timestamp(kind):
        return _instants
    if of.is_date(kind):
        return _days
    if of.is_float16(kind) or of.is_float32(kind):
        return partial(_floats, 2**11 if of.is_float16(kind) else 2**24)
    is_uuid = isinstance(kind, pa.UuidType)
    numeric = of.is_integer(kind) or of.is_float64(kind) or of.is_decimal(kind)
    return _plain if is_uuid or numeric else _text(kind)


def _other(kind: pa.DataType) -> _Reader | None:
    import pyarrow.types as of

    return _plain if of.is_boolean(kind) else _name(kind)


def _floats(inexact: int, column: pa.Array) -> list[object]:
    """Read floats; from `inexact` on, neighbouring integers are the same float."""
    too_large = Unread(f"a float of {inexact:,} or above, which does not hold every digit")
    return [
        too_large if value is not None and inexact <= abs(value) < float("inf") else value
        for value in column.to_pylist()
    ]


def _instants(column: pa.Array) -> list[object]:
    import pyarrow as pa

    per_second, zoned = _UNITS[column.type.unit], column.type.tz is not None
    return [
        None if count is None else texts.instant(count, per_second, zoned)
        for count in column.cast(pa.int64()).to_pylist()
    ]


def _days(column: pa.Array) -> list[object]:
    import pyarrow as pa
    import pyarrow.types as of

    if of.is_date32(column.type):
        counts = column.cast(pa.int32()).to_pylist()
    else:
        counts = [
            None if count is None else count // _DAY_MS
            for count in column.cast(pa.int64()).to_pylist()
        ]
    return [None if count is None else texts.day(count) for count in counts]
