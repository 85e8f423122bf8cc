"""Splits of documents, and files with a part of the rows of another."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from compiler.dataset import parquet, subsets
from compiler.dataset.columns import COLUMNS, Value
from compiler.dataset.parquet import Layout
from compiler.dataset.splits import split_of
from compiler.engine.artifact import RowDigest

SHARES = {"train": 0.8, "validation": 0.1, "test": 0.1}
# Enough of a row for every column that must not be null.
ROW: dict[str, Value] = {
    **{column.name: None for column in COLUMNS},
    **{"doc": "one two", "gen_start_char": 4, "scope": "word", "flags": []},
}


@settings(max_examples=20)
@given(some.text(), some.text(), some.integers(0, 2**62))
def test_a_page_decides_the_split_of_its_documents(doc_id: str, page: str, seed: int) -> None:
    page = page.replace("#", "").strip()
    splits = {
        split_of(SHARES, seed, each, f"{page}#{each}" if page else "") for each in (doc_id, "other")
    }

    assert splits <= SHARES.keys()
    assert len(splits) == 1 or not page


def test_the_split_of_a_document_is_pinned() -> None:
    """Published datasets rely on it: another split of a document would leak test data."""
    names = [f"document-{number}" for number in range(16)]
    apart = {name: split for name in names if (split := split_of(SHARES, 1, name, "")) != "train"}

    assert apart == {
        "document-9": "validation",
        "document-10": "validation",
        "document-15": "validation",
    }
    assert split_of(SHARES, 1, "a", "https://example.org/page#part") == split_of(
        dict(reversed(SHARES.items())), 1, "b", "https://example.org/page"
    )


def test_the_shares_are_those_of_the_documents() -> None:
    found = [split_of(SHARES, 7, str(number), "") for number in range(4000)]

    assert 0.78 < found.count("train") / len(found) < 0.82
    assert 0.09 < found.count("test") / len(found) < 0.11


@pytest.mark.parametrize("cut", [False, True])
def test_a_subset_of_all_rows_is_the_file_itself(cut: bool, tmp_path: Path) -> None:
    """Compare bytes: layout and row groups are those of the published files."""
    layout = Layout("int64", 64, 3, cut)
    rows: list[dict[str, Value]] = [
        {**ROW, "doc_id": f"d{n}", "slot_idx": slot} for n in range(40) for slot in range(9)
    ]
    with (tmp_path / "whole.parquet").open("wb") as out:
        parquet.write(out, RowDigest(), iter(rows), layout)
    written = subsets.write(
        tmp_path / "whole.parquet",
        "default",
        lambda doc_id, source: "train",
        layout,
        lambda name: tmp_path / f"{name}.parquet",
    )

    assert written == {"train": tmp_path / "train.parquet"}
    assert written["train"].read_bytes() == (tmp_path / "whole.parquet").read_bytes()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["train.parquet", "whole.parquet"]
