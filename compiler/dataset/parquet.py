"""The parquet writer of published rows, which streams them.

Rows arrive grouped by document. A large dictionary page stores a document's text once for its
sixteen rows, and zstd compresses it.

Row groups end after a fixed number of rows, or at content-defined places. With the latter, a
document added or removed moves no later group, so storage that deduplicates chunks of bytes, as the
Hub's does, already has the other groups. Pages have no content-defined ends, because a dictionary
spans all pages of its column chunk, and without dictionaries every document would be stored sixteen
times.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby, islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from msgspec import Struct

from compiler.dataset.columns import COLUMNS, Column, Value
from compiler.engine.artifact import RowDigest
from compiler.errors import StoreError, in_a_line
from compiler.keys import text_digest

if TYPE_CHECKING:
    from concurrent.futures import Future

    import pyarrow as pa
    import pyarrow.parquet as pq

Dtypes = Literal["int64", "published"]


class Layout(Struct, frozen=True):
    """The layout of a parquet file: another layout gives the same rows another file.

    `row_group_rows`: rows in a row group. Content-defined groups hold whole documents and about
    this many rows: at least half as many (the last group excepted), and less than twice as many
    plus one document.
    """

    dtypes: Dtypes
    row_group_rows: int
    compression_level: int
    content_defined_chunking: bool = False

    def identity(self) -> list[Dtypes | int | str]:
        """Return the fields that are part of a file's content digest."""
        found: list[Dtypes | int | str] = [self.dtypes, self.row_group_rows, self.compression_level]
        return [*found, "content-defined chunks"] if self.content_defined_chunking else found


def schema(dtypes: Dtypes) -> pa.Schema:
    """Return the Arrow schema of the published rows."""
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
    """Write rows as one parquet file, and append the layout and each row to `canonical`."""
    from concurrent.futures import ThreadPoolExecutor

    import pyarrow as pa

    shape = schema(layout.dtypes)
    # Two layouts of the same rows are two files, so the layout is part of the content.
    canonical.append(layout.identity())
    with (
        writer(out, shape, layout) as written,
        ThreadPoolExecutor(1) as packer,
    ):
        # A group is compressed without the GIL, while the rows of the next one are computed.
        packed: Future[None] | None = None
        for group in _groups(rows, layout):
            for row in group:
                canonical.append(row)
            if packed is not None:
                packed.result()
            table = pa.Table.from_pylist(group, schema=shape)
            # Freed early: as Python objects a group takes hundreds of megabytes.
            group.clear()
            packed = packer.submit(written.write_table, table, row_group_size=table.num_rows)
            del table
        if packed is not None:
            packed.result()


def count(path: Path) -> int:
    """Return the number of rows of a parquet file, from its footer."""
    import pyarrow.parquet as pq

    found: int = pq.read_metadata(path).num_rows
    return found


def writer(out: BinaryIO, shape: pa.Schema, layout: Layout) -> pq.ParquetWriter:
    """Open the writer of a file of published rows."""
    import pyarrow.parquet as pq

    return pq.ParquetWriter(
        out,
        shape,
        compression="zstd",
        compression_level=layout.compression_level,
        dictionary_pagesize_limit=64 << 20,
        data_page_size=8 << 20,
        write_page_index=True,
    )


def ends_group(doc_id: str, own: int, rows: int, wanted: int) -> bool:
    """Return True if a content-defined row group ends with this document.

    `own`: its rows; `rows`: those of the group with it. Where a group may end depends on its last
    document alone, so that after a difference two files soon have the same groups again.
    """
    ends = int(text_digest(doc_id)[:16], 16) < own / (wanted / 2) * 2**64
    return rows >= 2 * wanted or (rows >= wanted / 2 and ends)


def _groups(rows: Iterable[dict[str, Value]], layout: Layout) -> Iterator[list[dict[str, Value]]]:
    """Yield the rows of each row group."""
    wanted, waiting = layout.row_group_rows, iter(rows)
    if not layout.content_defined_chunking:
        while group := list(islice(waiting, wanted)):
            yield group
        return
    group: list[dict[str, Value]] = []
    for doc_id, own in groupby(waiting, key=lambda row: row["doc_id"]):
        document = list(own)
        group += document
        if ends_group(str(doc_id), len(document), len(group), wanted):
            yield group
            group = []
    if group:
        yield group


def content_digest(path: Path, layout: Layout) -> str:
    """Compute the content digest of a published file from its rows.

    Raises:
        StoreError: the file cannot be read, or has other columns.
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
