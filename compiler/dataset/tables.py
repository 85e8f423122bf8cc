"""Facts of a parquet file from its metadata and its column of document ids."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.dataset.rows import batches, translated
from compiler.keys import Json

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Table:
    """The size and the columns of a parquet file.

    `uncompressed`: bytes of its columns before compression; `largest`: of its largest row group.
    `features`: its columns as the `dataset_info` of a card lists them.
    """

    rows: int
    documents: int
    bytes: int
    uncompressed: int
    largest: int
    features: tuple[dict[str, Json], ...]


def largest_group(file: Path) -> int:
    """Return the bytes of the largest row group of a file before compression.

    Raises:
        SourceError: the file is not parquet.
    """
    import pyarrow.parquet as pq

    with translated(file):
        found = pq.read_metadata(file)
    return max((found.row_group(n).total_byte_size for n in range(found.num_row_groups)), default=0)


def read(file: Path) -> Table:
    """Read the facts of a file.

    Raises:
        SourceError: the file is not parquet, or has no column `doc_id`.
    """
    import pyarrow.parquet as pq

    with translated(file):
        found, shape = pq.read_metadata(file), pq.read_schema(file)
    groups = [found.row_group(n).total_byte_size for n in range(found.num_row_groups)]
    ids: set[object] = set()
    for batch in batches(file, ("doc_id",), ("doc_id",)):
        ids.update(batch["doc_id"].unique().to_pylist())
    features = tuple({"name": field.name, **_feature(field.type)} for field in shape)
    size = file.stat().st_size
    return Table(found.num_rows, len(ids), size, sum(groups), max(groups, default=0), features)


def _feature(kind: pa.DataType) -> dict[str, Json]:
    """Return the type of a column as `datasets` writes it."""
    import pyarrow.types as kinds

    if kinds.is_list(kind):
        inner = _feature(kind.value_type)
        return {"list": inner.get("dtype") or inner.get("struct") or inner}
    if kinds.is_struct(kind):
        return {"struct": [{"name": field.name, **_feature(field.type)} for field in kind]}
    names = {"double": "float64", "float": "float32"}
    return {"dtype": names.get(str(kind), str(kind))}
