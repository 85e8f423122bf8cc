from __future__ import annotations

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.clusters import Clusters, Tally
from compiler.statistics.measures.maxima import curve, expected, ordered_columns, weights


def test_the_weights_equal_those_of_the_reference() -> None:
    """Use n = 8 and k = 5, to the three decimals that the reference prints."""
    found = [round(float(each), 3) for each in weights(8, 5)]

    assert found == [0, 0, 0, 0, 0.018, 0.089, 0.268, 0.625]
    assert sum(weights(8, 5)) == 1


@given(
    st.lists(st.floats(0, 1), min_size=1, max_size=7).flatmap(
        lambda scores: st.tuples(st.just(scores), st.integers(1, len(scores)))
    )
)
def test_the_expected_maximum_is_the_mean_over_all_subsets(case: tuple[list[float], int]) -> None:
    scores, k = case
    every = [max(chosen) for chosen in combinations(scores, k)]

    assert expected([scores], k)[0] == pytest.approx(sum(every) / len(every))


def test_the_estimate_is_unbiased_unlike_the_maximum_of_more_tries() -> None:
    """Draw uniform scores, for which E[max of k] = k / (k + 1)."""
    scores = np.random.default_rng(1).random((40_000, 8))
    for k in range(1, 9):
        assert expected(scores, k).mean() == pytest.approx(k / (k + 1), abs=0.005)
    assert scores.max(axis=1).mean() > 5 / 6 + 0.04


def test_the_curve_is_the_mean_of_rows() -> None:
    rng = np.random.default_rng(2)
    scores = rng.integers(0, 21, (400, 5)) / 20
    documents = rng.integers(0, 90, 400)
    tally = Tally(Clusters.of(documents))
    cell = tally.cell()
    columns = ordered_columns(tally, cell, scores)
    averaged = [tally.column(cell, expected(scores, k)) for k in range(1, 6)]
    sweep = tally.sweep(3, 200)
    found = curve(sweep, columns)

    for k, (interval, column) in enumerate(zip(found, averaged, strict=True), start=1):
        other = sweep.mean(column)
        assert interval.value == pytest.approx(expected(scores, k).mean(), abs=1e-6)
        assert interval.low == pytest.approx(other.low, abs=2e-6)
        assert interval.high == pytest.approx(other.high, abs=2e-6)
    assert found[0].value == pytest.approx(scores.mean(), abs=1e-6)
    assert found[4].value == pytest.approx(scores.max(axis=1).mean(), abs=1e-6)


def test_invalid_scores_are_an_error_and_empty_cells_have_no_maximum() -> None:
    with pytest.raises(ValueError, match="maximum of 6 cannot be estimated"):
        expected([[0.1] * 5], 6)
    with pytest.raises(ValueError, match="finite matrix"):
        expected([[0.1, np.nan]], 1)
    tally = Tally(Clusters.of([1, 2]))
    columns = ordered_columns(tally, tally.cell([False, False]), np.empty((0, 3)))
    assert [each.value for each in curve(tally.sweep(1, 9), columns)] == [None] * 3
