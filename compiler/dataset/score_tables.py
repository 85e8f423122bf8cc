"""Plain tables as parquet files: the scores of an evaluation, and probe files with new values."""

from __future__ import annotations

import io
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from compiler.dataset.columns import COLUMNS
from compiler.dataset.rows import translated
from compiler.errors import SourceError

if TYPE_CHECKING:
    import pyarrow as pa

Values: TypeAlias = "Sequence[object]"


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


def read(file: Path, columns: Sequence[str]) -> dict[str, list[object]]:
    """Read some columns of a table.

    Raises:
        SourceError: it is not parquet, or lacks a column.
    """
    import pyarrow.parquet as pq

    with translated(file):
        table = pq.read_table(file)
    missing = [name for name in columns if name not in table.column_names]
    if missing:
        raise SourceError(f"no column {', '.join(map(repr, missing))}", where=str(file))
    return {name: table.column(name).to_pylist() for name in columns}


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
