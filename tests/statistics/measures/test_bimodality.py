from __future__ import annotations

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.bimodality import (
    UNIFORM_SARLE,
    bin_columns,
    bins,
    histogram,
    sarle,
    valley,
    valley_ratio,
)
from compiler.statistics.measures.clusters import Clusters, Tally
from compiler.statistics.measures.units import Floats, Ints

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")

PUBLISHED = (33518, 45525, 25803, 52087, 31961)


@given(st.lists(st.integers(0, 100), min_size=4, max_size=80))
def test_sarles_coefficient_equals_scipys_moments(hundredths: list[int]) -> None:
    values = np.asarray(hundredths) / 100
    n = len(values)
    if len(set(hundredths)) == 1:
        assert sarle(values) is None
        return
    skewness, kurtosis = (
        scipy.stats.skew(values, bias=False),
        scipy.stats.kurtosis(values, bias=False),
    )
    expected = (skewness**2 + 1) / (kurtosis + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3)))

    assert sarle(values) == pytest.approx(expected, abs=1e-5)


def test_sarles_coefficient_of_the_published_histogram() -> None:
    values = np.repeat([0.1, 0.3, 0.5, 0.7, 0.9], PUBLISHED)

    assert sarle(values) == pytest.approx(0.598, abs=0.0005)
    assert sarle([0.1, 0.2, 0.3]) is None


def test_the_valley_ratio_of_the_published_histogram() -> None:
    values = np.repeat([0.0, 0.2, 0.4, 0.6, 1.0], PUBLISHED)

    assert histogram(values) == PUBLISHED
    assert valley(PUBLISHED).round(3) == 0.567
    assert np.isnan(valley([0, 0, 5, 1, 1]))
    assert valley([9, 1, 3, 2, 6]) == 0.5


def test_bins_are_closed_below_and_the_last_one_also_above() -> None:
    assert bins([0, 0.199999, 0.2, 0.4, 0.6, 0.8, 1.0]).tolist() == [0, 0, 1, 2, 3, 4, 4]
    with pytest.raises(ValueError, match="outside"):
        bins([1.1])


def test_the_valley_ratio_has_a_clustered_interval() -> None:
    rng = np.random.default_rng(1)
    shared = rng.choice(5, 400, p=np.asarray(PUBLISHED) / sum(PUBLISHED))
    values = np.repeat(shared / 5 + 0.1, 4)

    def interval(documents: Ints) -> tuple[float, float]:
        tally = Tally(Clusters.of(documents))
        columns = bin_columns(tally, tally.cell(), values)
        found = valley_ratio(tally.sweep(1, 400), columns)
        assert found.value == pytest.approx(float(valley(histogram(values))), abs=1e-6)
        assert found.low is not None
        assert found.high is not None
        return found.low, found.high

    low, high = interval(np.repeat(np.arange(400), 4))
    too_low, too_high = interval(np.arange(1600))
    assert low < 0.567 < high
    # Four equal rows per document: twice as wide as for independent rows.
    assert (high - low) / (too_high - too_low) == pytest.approx(2, abs=0.4)


def samples() -> dict[str, Floats]:
    rng = np.random.default_rng(1)
    return {
        "normal": rng.normal(0.5, 0.15, 4000),
        "uniform": rng.random(4000),
        "bimodal": np.where(rng.random(4000) < 0.4, 0.2, 0.75) + rng.normal(0, 0.08, 4000),
    }


def test_the_three_shapes_are_distinguished() -> None:
    found = {name: np.clip(values, 0, 1).round(2) for name, values in samples().items()}
    coefficients = {name: sarle(values) for name, values in found.items()}
    ratios = {name: float(valley(histogram(values))) for name, values in found.items()}

    assert coefficients["normal"] == pytest.approx(1 / 3, abs=0.03)
    assert coefficients["uniform"] == pytest.approx(UNIFORM_SARLE, abs=0.015)
    assert (coefficients["bimodal"] or 0) > 0.65
    assert ratios["normal"] > 1
    assert ratios["uniform"] == pytest.approx(1, abs=0.15)
    assert ratios["bimodal"] < 0.4
