"""Where atoms come from."""

from __future__ import annotations

import pytest

from compiler.dataset.columns import origin


@pytest.mark.parametrize(
    ("start", "end", "expected"),
    [(0, 10, "human"), (5, 11, "straddling"), (9, 10, "human"), (10, 12, "generated")],
)
def test_an_atom_is_human_generated_or_straddles_both(start: int, end: int, expected: str) -> None:
    assert origin(start, end, 10) == expected
