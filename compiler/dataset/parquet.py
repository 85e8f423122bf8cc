"""Rows -> parquet, streamed. The only door to pyarrow's writer.

A large dictionary page keeps a document's text stored once for its sixteen rows; zstd does the
rest. Row groups hold whole documents as they come, grouped by document.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from compiler.dataset.columns import COLUMNS, Column, Value
from compiler.engine.artifact import RowDigest
from compiler.errors import StoreError

if TYPE_CHECKING:
    import pyarrow as pa

Dtypes = Literal["int64", "published"]


@dataclass(frozen=True)
class Layout:
    """How rows become bytes. A change of it is another file of the same rows."""

    dtypes: Dtypes
    row_group_rows: int
    compression_level: int
    content_defined_chunking: bool = False

    def identity(self) -> list[Dtypes | int | str]:
        """What of it is part of a file's digest."""
        found: list[Dtypes | int | str] = [self.dtypes, self.row_group_rows, self.compression_level]
        return [*found, "content-defined chunks"] if self.content_defined_chunking else found


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
    layout: Layout,
) -> None:
    """Write rows as one parquet file, appending each to the canonical digest on the way."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shape = schema(layout.dtypes)
    # The same rows in another layout are another file: the layout is part of its content.
    canonical.append(layout.identity())
    with pq.ParquetWriter(
        out,
        shape,
        compression="zstd",
        compression_level=layout.compression_level,
        dictionary_pagesize_limit=64 << 20,
        data_page_size=8 << 20,
        write_page_index=True,
        use_dictionary=_dictionaries(shape, layout),
        use_content_defined_chunking=layout.content_defined_chunking,
    ) as writer:
        waiting = iter(rows)
        while chunk := list(islice(waiting, layout.row_group_rows)):
            for row in chunk:
                canonical.append(row)
            writer.write_table(pa.Table.from_pylist(chunk, schema=shape))


def content_digest(path: Path, layout: Layout) -> str:
    """The content digest of a published file, from the rows that are read back from it.

    Raises:
        StoreError: it cannot be read, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    found = RowDigest()
    dtypes = layout.dtypes
    found.append(layout.identity())
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


def _dictionaries(shape: pa.Schema, layout: Layout) -> bool | list[str]:
    """Which columns keep their values in a dictionary: all, or those without text.

    A dictionary page is compressed as a whole, so one new document would make all of it new. In
    chunks, a document's text is on one page or two, where compression finds its sixteen copies.
    """
    import pyarrow as pa

    if not layout.content_defined_chunking:
        return True
    return [field.name for field in shape if pa.types.is_primitive(field.type)]
