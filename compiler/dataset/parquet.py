"""Rows -> parquet, streamed. The only door to pyarrow's writer.

A large dictionary page keeps a document's text stored once for its sixteen rows; zstd does the
rest. Rows come grouped by document.

Row groups end after so many rows, or where the content says so: then a document more or less moves
no later group, and whoever stores files by pieces of their bytes, as the Hub does, has the others
already. Pages are not cut by content: a page that ends in the middle of a dictionary ends nothing,
and without dictionaries every document would be there sixteen times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from compiler.dataset.columns import COLUMNS, Column, Value
from compiler.engine.artifact import RowDigest
from compiler.errors import StoreError, in_a_line
from compiler.keys import text_digest

if TYPE_CHECKING:
    import pyarrow as pa

Dtypes = Literal["int64", "published"]


@dataclass(frozen=True)
class Layout:
    """How rows become bytes. A change of it is another file of the same rows.

    `row_group_rows`: rows in a row group; with content-defined groups about so many, whole
    documents, at least half and, but for one document, at most twice as many.
    """

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
    with (
        pq.ParquetWriter(
            out,
            shape,
            compression="zstd",
            compression_level=layout.compression_level,
            dictionary_pagesize_limit=64 << 20,
            data_page_size=8 << 20,
            write_page_index=True,
        ) as writer,
        ThreadPoolExecutor(1) as packer,
    ):
        # While a group is packed, which needs no Python, the rows of the next are made.
        packed: Future[None] | None = None
        for group in _groups(rows, layout):
            for row in group:
                canonical.append(row)
            if packed is not None:
                packed.result()
            table = pa.Table.from_pylist(group, schema=shape)
            # Before its columns are packed: as Python objects a group is hundreds of megabytes.
            group.clear()
            packed = packer.submit(writer.write_table, table, row_group_size=table.num_rows)
            del table
        if packed is not None:
            packed.result()


def _groups(rows: Iterable[dict[str, Value]], layout: Layout) -> Iterator[list[dict[str, Value]]]:
    """The rows of each row group."""
    wanted, waiting = layout.row_group_rows, iter(rows)
    if not layout.content_defined_chunking:
        while group := list(islice(waiting, wanted)):
            yield group
        return
    # Where a group may end depends on its last document alone, so that two files with most of
    # their documents in common soon have the same groups again, whatever came before.
    group = []
    for doc_id, own in groupby(waiting, key=lambda row: row["doc_id"]):
        document = list(own)
        group += document
        share = len(document) / (wanted / 2)
        ends = int(text_digest(str(doc_id))[:16], 16) < share * 2**64
        if len(group) >= 2 * wanted or (len(group) >= wanted / 2 and ends):
            yield group
            group = []
    if group:
        yield group


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
        raise StoreError(f"it cannot be read: {in_a_line(error)}", where=str(path)) from error
    return found.hexdigest()
