from __future__ import annotations

from random import Random

import numpy as np
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.clusters import Clusters, Sweep, Tally, clustered_error, product
from compiler.statistics.measures.intervals import Interval, wilson
from compiler.statistics.measures.units import Floats
from tests.statistics.measures.samples import clustered

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")

SCORES = st.lists(st.tuples(st.integers(0, 9), st.integers(0, 100)), min_size=1, max_size=60)


def mean(values: object, documents: object, seed: int = 1, resamples: int = 200) -> Interval:
    tally = Tally(Clusters.of(np.asarray(documents)))
    column = tally.column(tally.cell(), np.asarray(values))
    return tally.sweep(seed, resamples).mean(column)


@given(SCORES, st.randoms(use_true_random=False))
def test_the_order_of_rows_does_not_matter(rows: list[tuple[int, int]], shuffler: Random) -> None:
    shuffled = list(rows)
    shuffler.shuffle(shuffled)

    def intervals(given: list[tuple[int, int]]) -> list[Interval]:
        # Enough additional documents for an interval.
        padded = given + [(100 + n, n) for n in range(40)]
        documents, values = np.asarray(padded).T
        tally = Tally(Clusters.of(documents))
        high = tally.cell(values >= 40)
        everything = tally.cell()
        first = tally.column(everything, values / 100)
        second = tally.column(high, values[high.rows] / 100)
        sweep = tally.sweep(3, 100)
        return [sweep.mean(first), sweep.mean(second), sweep.difference(first, second)]

    assert intervals(rows) == intervals(shuffled)


@given(SCORES)
def test_renaming_documents_in_the_same_order_changes_nothing(
    rows: list[tuple[int, int]],
) -> None:
    documents, values = np.asarray(rows).T

    assert mean(values / 100, documents) == mean(values / 100, [f"d{each}" for each in documents])


@given(SCORES)
def test_renaming_documents_in_any_order_keeps_the_values(rows: list[tuple[int, int]]) -> None:
    """Expect other resamples only, because a document's name decides in which it is drawn."""
    documents, values = np.asarray(rows).T
    first, second = mean(values / 100, documents), mean(values / 100, 1000 - documents)

    assert (first.value, first.n, first.documents) == (second.value, second.n, second.documents)
    assert clustered_error(values / 100, Clusters.of(documents)) == clustered_error(
        values / 100, Clusters.of(1000 - documents)
    )


def test_resampled_sums_equal_those_of_drawn_documents() -> None:
    """Compare the matrix product with drawing documents one by one."""
    values, documents = clustered(5, 40, 3, 0.3)
    tally = Tally(Clusters.of(documents))
    tally.column(tally.cell(), values)
    sweep = tally.sweep(11, 50)
    words = [int(each) for each in np.random.PCG64(11).random_raw(50 * 40)]
    picks = [(word >> 32) * 40 >> 32 for word in words]
    units = np.rint(values * 1e6).astype(int)
    expected = [
        sum(int(units[documents == pick].sum()) for pick in picks[start : start + 40])
        for start in range(0, 2000, 40)
    ]

    assert sweep.resampled[:, 1].tolist() == expected
    assert sweep.resampled[:, 0].tolist() == [120.0] * 50


def test_the_interval_equals_that_of_scipys_bootstrap() -> None:
    """Use documents of one size, because scipy resamples the documents' means."""
    values, documents = clustered(8, 200, 4, 0.3)
    found = mean(values, documents, resamples=4000)
    theirs = scipy.stats.bootstrap(
        (values.reshape(200, 4).mean(axis=1),), np.mean, method="percentile",
        n_resamples=4000, rng=np.random.default_rng(1),
    ).confidence_interval  # fmt: skip

    assert found.value == pytest.approx(values.mean(), abs=1e-6)
    assert found.low == pytest.approx(theirs.low, abs=0.002)
    assert found.high == pytest.approx(theirs.high, abs=0.002)
    assert (found.n, found.documents) == (800, 200)


def test_the_interval_covers_the_truth_unlike_one_that_ignores_documents() -> None:
    covered = naive = 0
    for seed in range(200):
        values, documents = clustered(seed, 80, 5, 0.3)
        found = mean(values, documents, seed, 400)
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= 0.5 <= found.high
        naive += abs(values.mean() - 0.5) <= 1.96 * values.std() / 20

    assert 180 <= covered <= 198
    assert naive < covered - 15


def test_ratios_shares_and_differences() -> None:
    documents = np.repeat(np.arange(50), 2)
    flags = np.arange(100) % 4 == 0
    first, second = np.linspace(0, 1, 100), np.linspace(0, 1, 100) ** 2
    tally = Tally(Clusters.of(documents))
    cell, marked = tally.cell(), tally.cell(flags)
    a, b, share = (
        tally.column(cell, first), tally.column(cell, second), tally.flags(cell, flags)
    )  # fmt: skip
    own = tally.column(marked, first[flags])
    size = tally.size(marked)
    sweep = tally.sweep(4, 300)

    assert sweep.mean(share).value == 0.25
    assert sweep.ratio(b, a).value == pytest.approx(second.sum() / first.sum(), abs=1e-6)
    assert sweep.ratio(size, share).value == 1.0
    assert sweep.mean(own).value == pytest.approx(first[flags].mean(), abs=1e-6)
    assert (sweep.mean(own).n, sweep.mean(own).documents) == (25, 25)
    assert sweep.mean(own).low is None
    gap = sweep.difference(a, b)
    assert gap.value == pytest.approx((first - second).mean(), abs=1e-6)
    # Paired, so much narrower than the interval of either mean.
    assert gap.low is not None
    assert gap.high is not None
    assert gap.high - gap.low < 0.5 * width(sweep.mean(a))


def width(interval: Interval) -> float:
    assert interval.low is not None
    assert interval.high is not None
    return interval.high - interval.low


def test_small_and_empty_cells_have_no_interval() -> None:
    few = mean(np.arange(29) / 29, np.arange(29))
    enough = mean(np.arange(30) / 30, np.arange(30))
    tally = Tally(Clusters.of(np.arange(40)))
    nothing = tally.cell(np.zeros(40, dtype=bool))
    sweep = tally.sweep(1, 50)

    assert few.value is not None
    assert (few.low, few.high) == (None, None)
    assert enough.low is not None
    assert sweep.ratio(tally.size(nothing), tally.size(nothing)) == Interval(None, None, None, 0, 0)
    assert Tally(Clusters.of(np.empty(0, dtype=int))).sweep(1, 5).totals.size == 0


def test_an_often_undefined_estimate_has_no_interval() -> None:
    """Use a ratio that is undefined without one document: in 1 / e of the resamples."""
    tally = Tally(Clusters.of(np.arange(50)))
    cell = tally.cell()
    one = tally.flags(cell, np.arange(50) == 7)
    found = tally.sweep(1, 200).ratio(one, one)

    assert (found.value, found.low, found.high) == (1.0, None, None)


def test_inexact_sums_are_rejected() -> None:
    tally = Tally(Clusters.of(np.arange(100)))
    with pytest.raises(ValueError, match="not exact"):
        tally.column(tally.cell(), np.full(100, 1e9))
    with pytest.raises(ValueError, match="does not fit"):
        tally.cell(np.ones(3, dtype=bool))


def test_the_blocked_product_equals_the_product_of_integers() -> None:
    rng = np.random.default_rng(1)
    weights, sums = rng.integers(0, 9, (37, 192)), rng.integers(-(10**9), 10**9, (11, 192))

    assert (
        product(weights.astype(float), sums.astype(float)).tolist() == (weights @ sums.T).tolist()
    )


def test_columns_are_independent_of_one_another() -> None:
    """Compare one column alone and among a hundred, over several blocks: equal to the last bit."""
    values, documents = clustered(3, 150, 2, 0.2)

    def swept(powers: list[int]) -> Sweep:
        tally = Tally(Clusters.of(documents))
        cell = tally.cell()
        for power in powers:
            tally.column(cell, np.abs(values) ** (power / 50))
        return tally.sweep(9, 70)

    many, one = swept(list(range(100))), swept([99])

    assert np.array_equal(many.resampled[:, 100], one.resampled[:, 1])
    assert many.totals[100] == one.totals[1]


@pytest.mark.parametrize(("icc", "per_document"), [(0.0, 4), (0.3, 5), (0.8, 3)])
def test_the_analytic_error_equals_statsmodels_and_the_known_design_effect(
    icc: float, per_document: int
) -> None:
    values, documents = clustered(2, 2000, per_document, icc)
    found = clustered_error(values, Clusters.of(documents))
    import statsmodels.api

    fit = statsmodels.api.OLS(values, np.ones(len(values))).fit(
        cov_type="cluster", cov_kwds={"groups": documents, "use_correction": False}
    )

    assert found.error == pytest.approx(fit.bse[0], abs=1e-6)
    assert found.design_effect == pytest.approx(1 + (per_document - 1) * icc, abs=0.2)
    assert (found.n, found.documents) == (2000 * per_document, 2000)


def test_the_analytic_error_of_no_values_and_of_equal_values() -> None:
    assert clustered_error([], Clusters.of(np.empty(0, dtype=int))).error is None
    same = clustered_error([0.5, 0.5], Clusters.of([1, 2]))
    assert (same.mean, same.error, same.design_effect) == (0.5, 0.0, None)


@pytest.mark.parametrize(("k", "n"), [(0, 10), (3, 10), (10, 10), (79_043, 188_894), (1, 1)])
def test_wilsons_interval_equals_statsmodels(k: int, n: int) -> None:
    from statsmodels.stats.proportion import proportion_confint

    low, high = proportion_confint(k, n, method="wilson")
    found = wilson(k, n)

    assert found.low == pytest.approx(low, abs=1e-6)
    assert found.high == pytest.approx(high, abs=1e-6)


def test_wilsons_interval_of_no_rows_is_undefined() -> None:
    assert wilson(0, 0) == Interval(None, None, None, 0, 0)


def test_a_custom_statistic_has_an_interval() -> None:
    values, documents = clustered(6, 100, 3, 0.1)
    tally = Tally(Clusters.of(documents))
    cell = tally.cell()
    x, square, n = tally.column(cell, values), tally.column(cell, values**2), tally.size(cell)

    def variance(total: Floats, squares: Floats, size: Floats) -> Floats:
        return squares / size - (total / size) ** 2

    found = tally.sweep(1, 500).statistic(variance, x, square, n)
    assert found.value == pytest.approx(values.var(), abs=1e-5)
    assert found.low is not None
    assert found.high is not None
    assert found.low < values.var() < found.high
