"""Parquet files with a part of the rows of another, streamed: splits and further configurations.

Memory holds one row group of each split.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, TypeAlias

from compiler.dataset.parquet import Layout, ends_group, writer
from compiler.dataset.rows import batches

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

Split: TypeAlias = Callable[[str, str], str | None]
"""The split of a document, from its id and source; None leaves it out."""
_ROWS = 2048
# Warnings that a probe can be answered from its complement or its question.
_DECIDED = frozenset({"V14", "V28", "V31"})
_KEPT = (
    *("doc_id", "doc_source", "doc_idx", "source_model", "round_idx", "gen_start_char"),
    *("row_splits", "n_siblings_available", "n_siblings_shown", "row_seed"),
)
DOCUMENT_COLUMNS: Mapping[str, str] = {
    "doc_id": "id of the source document",
    "doc_source": "where the source prefix comes from",
    "prefix": "the source prefix: doc[:gen_start_char] of the document's probes",
    "continuation": "the continuation by the source model: doc[gen_start_char:]",
    "doc_idx": "index of the chosen sibling in the source",
    "source_model": "model that wrote the continuation",
    "round_idx": "round that drew the document, from 0",
    "gen_start_char": "where generated text begins in doc",
    "row_splits": "the four splits of the doc-record by group",
    "n_siblings_available": "distinct usable siblings of the document",
    "n_siblings_shown": "siblings shown to the generator",
    "row_seed": "seed of the doc-record",
    "n_probes": "probes about the document",
}
"""The columns of the configuration `documents`, with their meanings."""


def write(
    source: Path, config: str, split: Split, layout: Layout, place: Callable[[str], Path]
) -> dict[str, Path]:
    """Write the rows of a file that belong to a configuration, one file for each split.

    `config`: a name in `CONFIGS`. `place`: split -> path. Returns the files by split; a split
    without rows has none.

    Raises:
        SourceError: the file is not parquet, or lacks a column that the configuration needs.
    """
    kind = CONFIGS[config]
    make = kind.make
    outputs: dict[str, _Output] = {}
    for document in _documents(source, kind):
        name = split(document.doc_id, document.doc_source)
        rows = make(document) if name is not None else None
        if name is not None and rows is not None and rows.num_rows:
            output = outputs.get(name)
            if output is None:
                output = outputs[name] = _Output(place(name), layout, rows.schema)
            output.add(document.doc_id, rows)
    return {name: output.close() for name, output in sorted(outputs.items())}


@dataclass(frozen=True)
class _Document:
    """The rows of one document."""

    doc_id: str
    doc_source: str
    rows: pa.Table


def _documents(source: Path, kind: _Kind) -> Iterator[_Document]:
    """Yield the documents of a file in its order."""
    import pyarrow as pa

    held: list[pa.RecordBatch] = []
    name, page = "", ""
    for batch in batches(source, ("doc_id", "doc_source", *kind.required), kind.read, _ROWS):
        start = 0
        for doc_id, run in groupby(batch["doc_id"].to_pylist()):
            length = sum(1 for _ in run)
            if held and doc_id != name:
                yield _Document(name, page, pa.Table.from_batches(held))
                held = []
            name, page = str(doc_id), str(batch["doc_source"][start].as_py() or "")
            # A copy, because a slice would keep the whole batch in memory.
            held.append(batch.slice(start, length).take(pa.array(range(length))))
            start += length
    if held:
        yield _Document(name, page, pa.Table.from_batches(held))


def _every(document: _Document) -> pa.Table:
    return document.rows


def _hard(document: _Document) -> pa.Table:
    """Keep the hard written rows, and the templated ones that text does not decide."""
    import pyarrow as pa

    columns = document.rows.select(["band", "template_id", "flags"]).to_pydict()
    chosen = [
        band == "hard" or (template is not None and not _DECIDED & set(flags or ()))
        for band, template, flags in zip(*columns.values(), strict=True)
    ]
    return document.rows.filter(pa.array(chosen))


def _one(document: _Document) -> pa.Table:
    """Make the single row of a document."""
    import pyarrow as pa

    first = document.rows.slice(0, 1)
    (row,) = first.to_pylist()
    shape = first.schema
    text, start = row["doc"], int(row["gen_start_char"])
    made = {"prefix": text[:start], "continuation": text[start:], "n_probes": len(document.rows)}
    kinds = {"prefix": pa.string(), "continuation": pa.string(), "n_probes": pa.int64()}
    kinds |= {name: shape.field(name).type for name in _KEPT if name in shape.names}
    fields = [pa.field(name, kinds[name]) for name in DOCUMENT_COLUMNS if name in kinds]
    return pa.Table.from_pylist([row | made], schema=pa.schema(fields))


@dataclass(frozen=True)
class _Kind:
    """A configuration: its rows of a document, and the columns that it requires and reads.

    `read`: None for all.
    """

    make: Callable[[_Document], pa.Table]
    required: tuple[str, ...] = ()
    read: tuple[str, ...] | None = None


_PARTS = ("doc", "gen_start_char")
CONFIGS: Mapping[str, _Kind] = {
    "default": _Kind(_every),
    "documents": _Kind(_one, _PARTS, ("doc", *_KEPT)),
    "hard": _Kind(_hard, ("band", "template_id", "flags")),
}
"""The configurations by name."""


@dataclass
class _Output:
    """A file that is being written; it takes its name when it is complete."""

    path: Path
    layout: Layout
    shape: pa.Schema
    _pending: list[pa.Table] = field(default_factory=list)
    _rows: int = 0

    def __post_init__(self) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._part = self.path.with_name(f".{self.path.name}.part")
        self._out: BinaryIO = self._part.open("wb")
        self.shape = _plain(self.shape)
        self._writer: pq.ParquetWriter = writer(self._out, self.shape, self.layout)

    def add(self, doc_id: str, rows: pa.Table) -> None:
        """Add the rows of a document."""
        self._pending.append(rows)
        self._rows += rows.num_rows
        wanted = self.layout.row_group_rows
        if self.layout.content_defined_chunking:
            if ends_group(doc_id, rows.num_rows, self._rows, wanted):
                self._flush(self._rows)
            return
        while self._rows >= wanted:
            self._flush(wanted)

    def close(self) -> Path:
        """Write the last row group, and give the file its name."""
        if self._rows:
            self._flush(self._rows)
        self._writer.close()
        self._out.close()
        os.replace(self._part, self.path)
        return self.path

    def _flush(self, rows: int) -> None:
        import pyarrow as pa

        table = pa.concat_tables(self._pending).cast(self.shape)
        self._writer.write_table(table.slice(0, rows), row_group_size=rows)
        self._rows -= rows
        self._pending = [table.slice(rows)] if self._rows else []


def _plain(shape: pa.Schema) -> pa.Schema:
    """Name the items of lists as a new schema does; read from a file, they have another name."""
    import pyarrow as pa

    return pa.schema(
        [
            pa.field(each.name, pa.list_(each.type.value_type))
            if pa.types.is_list(each.type)
            else each
            for each in shape
        ]
    )
