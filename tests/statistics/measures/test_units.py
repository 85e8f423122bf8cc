from __future__ import annotations

import math
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.draws import Draws
from compiler.statistics.measures.units import divided, rounded, scaled, whole


def test_only_finite_numbers_are_reported() -> None:
    assert rounded(math.nan) is None
    assert rounded(math.inf) is None
    assert rounded(Fraction(1, 3)) == 0.333333
    assert rounded(np.float64(2) / 3) == 0.666667
    assert math.copysign(1, rounded(-1e-9) or 0.0) == 1


def test_a_value_that_is_not_finite_cannot_be_summed() -> None:
    with pytest.raises(ValueError, match="not finite"):
        scaled([0.1, math.nan])


@given(st.lists(st.integers(0, 1_000_000), max_size=50))
def test_scores_of_six_decimals_are_whole_units(millionths: list[int]) -> None:
    assert whole([each / 1e6 for each in millionths]) == millionths


def test_a_division_by_zero_is_undefined() -> None:
    found = divided([1, 2, 0], [2, 0, 0])

    assert found[0] == 0.5
    assert np.isnan(found[1:]).all()


def test_the_stream_is_pinned() -> None:
    """Pin the values themselves: every numpy version and machine must draw the same."""
    raw = [int(each) for each in np.random.PCG64(7).random_raw(4)]

    assert Draws(7).below(1000, 4).tolist() == [(each >> 32) * 1000 >> 32 for each in raw]
    assert Draws(7).below(1000, 4).tolist() == [625, 897, 775, 225]


def test_draws_are_uniform() -> None:
    counts = np.bincount(Draws(1).below(10, 100_000), minlength=10)

    assert len(counts) == 10
    # Chi-squared with 9 degrees of freedom: 27.9 is its 99.9th percentile.
    assert ((counts - 10_000) ** 2 / 10_000).sum() < 27.9
    with pytest.raises(ValueError, match="below 0"):
        Draws(1).below(0, 1)
