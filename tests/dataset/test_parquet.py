"""Row groups with content-defined ends are shared by all files with the same documents."""

from __future__ import annotations

import io
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from compiler.dataset import parquet
from compiler.dataset.columns import COLUMNS, Value
from compiler.dataset.parquet import Layout
from compiler.engine.artifact import RowDigest

_ROWS = 8
_WANTED = 64


def rows(documents: int) -> list[dict[str, Value]]:
    empty: dict[str, Value] = dict.fromkeys(column.name for column in COLUMNS)
    return [
        {**empty, "doc_id": f"doc{number}", "doc": f"text {number}", "slot_idx": slot}
        for number in range(documents)
        for slot in range(_ROWS)
    ]


def groups(made: list[dict[str, Value]], layout: Layout) -> list[list[str]]:
    """Read the documents of each row group."""
    out = io.BytesIO()
    parquet.write(out, RowDigest(), made, layout)
    table = pq.ParquetFile(out)
    return [
        table.read_row_group(number, ["doc_id"]).column("doc_id").to_pylist()
        for number in range(table.num_row_groups)
    ]


BY_CONTENT = Layout("int64", _WANTED, 3, content_defined_chunking=True)


def test_groups_hold_whole_documents_within_the_size_limits() -> None:
    found = groups(rows(400), BY_CONTENT)
    sizes = [len(group) for group in found]

    assert [doc for group in found for doc in group] == [row["doc_id"] for row in rows(400)]
    assert all(len(group) % _ROWS == 0 for group in found)
    assert min(sizes[:-1]) >= _WANTED / 2
    assert max(sizes) <= 2 * _WANTED
    assert 0.7 * _WANTED < sum(sizes) / len(sizes) < 1.3 * _WANTED


@pytest.mark.parametrize("gone", [0, 5, 200, 399])
def test_a_removed_document_moves_few_groups(gone: int) -> None:
    whole = groups(rows(400), BY_CONTENT)
    less = groups([row for row in rows(400) if row["doc_id"] != f"doc{gone}"], BY_CONTENT)
    moved = [group for group in less if group not in whole]

    assert len(moved) <= 4
    assert len(whole) > 40


def test_groups_by_count_have_that_size() -> None:
    found = groups(rows(40), Layout("int64", _WANTED, 3))

    assert [len(group) for group in found] == [64, 64, 64, 64, 64]


def test_both_layouts_hold_the_same_rows_and_record_their_layout(tmp_path: Path) -> None:
    digests = set()
    for layout in (BY_CONTENT, Layout("int64", _WANTED, 3)):
        path, canonical = tmp_path / "rows.parquet", RowDigest()
        with path.open("wb") as out:
            parquet.write(out, canonical, rows(40), layout)
        assert parquet.content_digest(path, layout) == canonical.hexdigest()
        assert pq.read_table(path).column("doc_id").to_pylist() == [r["doc_id"] for r in rows(40)]
        digests.add(canonical.hexdigest())
    assert len(digests) == 2
