"""The rules of published rollouts, each broken once."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from compiler.checking import rollouts
from compiler.dataset import rollout_columns
from compiler.engine.artifact import RowDigest
from compiler.errors import SourceError
from compiler.rollouts import copies
from compiler.rollouts.measures import measured
from compiler.rollouts.rows import Rollout

TEXTS = (
    " The keeper went up the stairs and lit the lamp before the storm came in from the west.",
    " Nobody in the village had seen the ship, which lay behind the island until the morning.",
)


def row(idx: int, **changes: object) -> Rollout:
    """Make a valid row of a document with two siblings, and change some of its fields."""
    text, other = TEXTS[idx], TEXTS[1 - idx]
    found = Rollout(
        doc_id="d1",
        doc_source="s1",
        prefix="It was late in the year.",
        continuation=text,
        doc_idx=idx,
        seed=idx,
        source_model="m",
        finish_reason="stop",
        n_tokens=20,
        prefix_tokens=None,
        retokenizes=None,
        raw_chars=len(text) + 9,
        cut_char=len(text),
        cut_reason="sentence",
        **measured(text)._asdict(),
        cohesion_min=None,
        cohesion_at=None,
        sibling_overlap=round(copies.overlap(text, [other], 3), 6),
        detached=None,
    )
    return msgspec.structs.replace(found, **changes)


def write(path: Path, *rows: Rollout) -> Path:
    """Write a parquet file of rollouts."""
    with path.open("wb") as out:
        rollout_columns.write(out, RowDigest(), rows, 16, 1)
    return path


def test_valid_rows_break_no_rule(tmp_path: Path) -> None:
    file = write(tmp_path / "rows.parquet", row(0), row(1))
    found = rollouts.check(file, ())

    assert (found.rows, found.errors) == (2, 0)
    assert rollout_columns.are_rollouts(file)


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("R1", {"continuation": " \n"}),
        ("R1", {"prefix": "It was late in the year. "}),
        ("R2", {"doc_idx": 0}),
        ("R3", {"prefix": "It was early."}),
        ("R3", {"doc_source": "s2"}),
        ("R4", {"cut_char": 5}),
        ("R4", {"cut_reason": None}),
        ("R4", {"raw_chars": 3}),
        ("R5", {"coverage4": 0.5}),
        ("R5", {"zlib_ratio": 0.1}),
        ("R6", {"sibling_overlap": 0.25}),
    ],
)
def test_a_broken_rule_is_found(tmp_path: Path, rule: str, changes: dict[str, object]) -> None:
    file = write(tmp_path / "rows.parquet", row(0), row(1, **changes))
    assert rule in rollouts.check(file, ()).counts


def test_a_document_in_two_places_is_found(tmp_path: Path) -> None:
    rows = (row(0), row(0, doc_id="d2", sibling_overlap=0.0), row(1))
    assert "R3" in rollouts.check(write(tmp_path / "rows.parquet", *rows), ()).counts


def test_a_file_of_rollouts_without_rows_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="no rows there"):
        rollouts.check(write(tmp_path / "rows.parquet"), ())
