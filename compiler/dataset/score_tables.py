"""Plain tables as parquet files: the scores of an evaluation, and probe files with new values."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from compiler.dataset import arrays
from compiler.dataset.arrays import Coded
from compiler.dataset.columns import COLUMNS
from compiler.dataset.rows import translated
from compiler.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

Values: TypeAlias = "Sequence[object]"
Column: TypeAlias = "Coded | npt.NDArray[Any]"
# Rows of a group, as pyarrow chooses by default.
_GROUP = 1 << 20


def written(columns: Iterable[tuple[str, Values]]) -> bytes:
    """Return a table as a parquet file; equal columns give equal bytes.

    `columns`: name and values; each is converted before the next one is taken.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    out = io.BytesIO()
    table = pa.table({name: pa.array(values) for name, values in columns})
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def encoded(columns: Mapping[str, Column]) -> bytes:
    """Return columns of names and numbers as a parquet file; NaN is null.

    A group of rows is converted at a time: with each name as a text, all of them take gigabytes.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    schema = pa.schema([(name, _kind(column)) for name, column in columns.items()])
    size = max(len(each.codes if isinstance(each, Coded) else each) for each in columns.values())
    out = io.BytesIO()
    with pq.ParquetWriter(out, schema, compression="zstd") as writer:
        for start in range(0, size, _GROUP):
            rows = slice(start, start + _GROUP)
            found = [_array(columns[each.name], rows, each.type) for each in schema]
            writer.write_table(pa.table(found, schema=schema), row_group_size=_GROUP)
    # Arrow keeps the memory of freed texts for itself: a fifth of that of a full evaluation.
    pa.default_memory_pool().release_unused()
    return out.getvalue()


def _kind(column: Column) -> pa.DataType:
    import pyarrow as pa

    if isinstance(column, Coded):
        return pa.string()
    if column.dtype.kind == "f":
        return pa.null() if np.isnan(column).all() else pa.float64()
    return pa.bool_() if column.dtype.kind == "b" else pa.int64()


def _array(column: Column, rows: slice, kind: pa.DataType) -> pa.Array:
    import pyarrow as pa

    if isinstance(column, Coded):
        return pa.DictionaryArray.from_arrays(column.codes[rows], column.names).dictionary_decode()
    values = column[rows]
    if pa.types.is_null(kind):
        return pa.nulls(len(values))
    missing = np.isnan(values) if values.dtype.kind == "f" else None
    return pa.array(values, kind, mask=missing)


def read(file: Path, columns: Sequence[str]) -> dict[str, Column]:
    """Read some columns of names and numbers; null is NaN.

    Raises:
        SourceError: it is not parquet, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with translated(file):
        table = pq.read_table(file)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise SourceError(f"no column {', '.join(map(repr, missing))}", where=str(file))
    found: dict[str, Column] = {}
    for name in columns:
        values = table.column(name).combine_chunks()
        if arrays.is_text(values):
            found[name] = Coded.of(values)
        elif pa.types.is_null(values.type) or pa.types.is_floating(values.type):
            found[name] = arrays.numbers(values.cast(pa.float64()), np.nan)
        else:
            found[name] = arrays.numbers(values, False if pa.types.is_boolean(values.type) else 0)
    return found


def replaced(
    files: Sequence[Path], columns: Mapping[str, Values], metadata: Mapping[str, str]
) -> bytes:
    """Return a copy of probe files, joined, with these columns replaced or added.

    A column that the files have keeps its place; its type is that of `COLUMNS`. `metadata`: entries
    of the copy's own metadata.

    Raises:
        SourceError: a file is not parquet, or the files have different columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    tables = []
    for file in files:
        with translated(file):
            tables.append(pq.read_table(file))
    try:
        table = pa.concat_tables(tables)
    except pa.ArrowException as error:
        raise SourceError(
            f"the files have different columns: {error}",
            where=str(files[0].parent),
            hint="name one file",
        ) from error
    kinds = {column.name: column.kind for column in COLUMNS}
    for name, values in columns.items():
        found = pa.array(values, _type(kinds[name]))
        if name in table.column_names:
            place = table.column_names.index(name)
            table = table.set_column(place, name, found)
        else:
            table = table.append_column(name, found)
    table = table.replace_schema_metadata({**(table.schema.metadata or {}), **metadata})
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd")
    return out.getvalue()


def _type(kind: str) -> pa.DataType:
    import pyarrow as pa

    return {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "strings": pa.list_(pa.string()),
        "floats": pa.list_(pa.float64()),
    }[kind]
