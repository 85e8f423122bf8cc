"""Rows -> parquet, streamed. The only door to pyarrow's writer.

A large dictionary page keeps a document's text stored once for its sixteen rows; zstd does the
rest. Row groups hold whole documents as they come, grouped by document.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from compiler.dataset.columns import COLUMNS, Column, Value
from compiler.engine.artifact import RowDigest
from compiler.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Dtypes = Literal["int64", "published"]


def schema(dtypes: Dtypes) -> pa.Schema:
    """The Arrow schema of the published rows."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
        "strings": pa.list_(pa.string()),
        "floats": pa.list_(pa.float64()),
        "splits": pa.struct(
            [(name, pa.int64()) for name in ("word_lens", "sentence", "paragraph", "whole")]
        ),
    }
    return pa.schema([pa.field(c.name, kinds[_kind(c, dtypes)]) for c in COLUMNS])


def _kind(column: Column, dtypes: Dtypes) -> str:
    return "float64" if column.index and dtypes == "published" else column.kind


def write(
    out: BinaryIO,
    canonical: RowDigest,
    rows: Iterable[dict[str, Value]],
    dtypes: Dtypes,
    row_group_rows: int,
    compression_level: int,
) -> None:
    """Write rows as one parquet file, appending each to the canonical digest on the way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shape = schema(dtypes)
    # The same rows in another layout are another file: the layout is part of its content.
    canonical.append([dtypes, row_group_rows, compression_level])
    with pq.ParquetWriter(
        out,
        shape,
        compression="zstd",
        compression_level=compression_level,
        dictionary_pagesize_limit=64 << 20,
        data_page_size=8 << 20,
        write_page_index=True,
    ) as writer:
        waiting = iter(rows)
        while chunk := list(islice(waiting, row_group_rows)):
            for row in chunk:
                canonical.append(row)
            writer.write_table(pa.Table.from_pylist(chunk, schema=shape))


def content_digest(path: Path, dtypes: Dtypes, row_group_rows: int, compression_level: int) -> str:
    """The content digest of a published file, from the rows that are read back from it.

    Raises:
        StoreError: it cannot be read, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = RowDigest()
    found.append([dtypes, row_group_rows, compression_level])
    whole = [c.name for c in COLUMNS if c.kind == "int64" and _kind(c, dtypes) == "float64"]
    try:
        with pq.ParquetFile(path) as table:
            if not table.schema_arrow.equals(schema(dtypes)):
                raise StoreError("it has other columns", where=str(path))
            for batch in table.iter_batches(batch_size=512):
                for row in batch.to_pylist():
                    for name in whole:
                        row[name] = int(row[name]) if row[name] is not None else None
                    found.append(row)
    except (pa.ArrowException, OSError, ValueError) as error:
        what = (str(error) or type(error).__name__).splitlines()[0]
        raise StoreError(f"it cannot be read: {what}", where=str(path)) from error
    return found.hexdigest()
