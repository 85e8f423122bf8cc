from __future__ import annotations

from itertools import combinations

import numpy as np
import numpy.typing as npt
import pytest
import scipy
from hypothesis import given, settings
from hypothesis import strategies as st

from compiler.statistics.measures.clusters import Clusters, Sweep, Tally
from compiler.statistics.measures.resolving import (
    count_columns,
    fit,
    fresh_rate,
    held_out_rate,
    resolve_rate,
    upper_bound,
)
from tests.statistics.measures.samples import beta_binomial

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")


def fresh(a: float, b: float, n: int) -> float:
    """Compute the rate with Beta functions, as the reference states it."""
    return float(1 - np.exp(scipy.special.betaln(a, b + 2 * n) - scipy.special.betaln(a, b + n)))


@pytest.mark.parametrize(("a", "b", "expected"), [(1, 1, 0.455), (0.5, 0.5, 0.284), (2, 2, 0.641)])
def test_the_rates_equal_those_of_the_reference(a: float, b: float, expected: float) -> None:
    rate, correlation = np.array([a / (a + b)]), np.array([1 / (a + b + 1)])

    assert fresh_rate(rate, correlation, 5, 5)[0] == pytest.approx(fresh(a, b, 5))
    assert round(fresh(a, b, 5), 3) == expected


@pytest.mark.parametrize(("n", "expected"), [(5, 0.451), (10, 0.259), (20, 0.139)])
def test_the_bounds_equal_those_of_the_reference(n: int, expected: float) -> None:
    bound = upper_bound(n)

    assert bound is not None
    assert round(bound, 3) == expected
    assert bound == pytest.approx(
        scipy.stats.binomtest(0, n, alternative="less").proportion_ci(0.95).high, abs=1e-6
    )


@settings(max_examples=25)
@given(st.lists(st.integers(0, 40), min_size=3, max_size=9).filter(lambda c: sum(c) > 0))
def test_the_fit_has_the_maximum_likelihood(counts: list[int]) -> None:
    """Compare with scipy's beta-binomial likelihood and its optimizer, from several starts."""
    n, found = len(counts) - 1, fit(counts)
    if found.edge in ("no_success", "all_success"):
        assert counts[0 if found.edge == "no_success" else n] == sum(counts)
        return

    def loss(logs: npt.NDArray[np.float64]) -> float:
        a, b = np.exp(np.clip(logs, -13, 18))
        return -float(np.dot(counts, scipy.stats.betabinom.logpmf(np.arange(n + 1), n, a, b)))

    best = min(
        scipy.optimize.minimize(loss, start, method="Nelder-Mead").fun
        for start in ([0.0, 0.0], [3.0, 3.0])
    )
    ours = -sum(
        count * np.log(share)
        for count, share in zip(counts, shares(found.fitted), strict=True)
        if count
    )
    assert ours <= best + 1e-3 * max(1.0, abs(best)) * (1 if found.edge else 0.01) + 1e-4


def shares(fitted: tuple[float | None, ...]) -> list[float]:
    return [max(each or 0.0, 1e-7) for each in fitted]


@pytest.mark.parametrize(("a", "b"), [(1, 1), (0.5, 0.5), (2, 2), (0.3, 1.5), (8, 2)])
@pytest.mark.parametrize("n", [5, 12])
def test_a_known_distribution_is_recovered(a: float, b: float, n: int) -> None:
    rows = 40_000
    counts = np.bincount(beta_binomial(1, a, b, n, rows), minlength=n + 1)
    found = fit(counts)

    assert found.edge == ""
    assert found.a == pytest.approx(a, rel=0.1)
    assert found.b == pytest.approx(b, rel=0.1)
    assert found.rate == pytest.approx(a / (a + b), abs=0.01)
    expected = scipy.stats.betabinom.pmf(np.arange(n + 1), n, found.a, found.b)
    assert found.fitted == pytest.approx(expected, abs=2e-6)
    assert found.observed == pytest.approx(counts / rows, abs=1e-6)


def swept(successes: npt.NDArray[np.int64], n: int, per_document: int, seed: int) -> Rates:
    tally = Tally(Clusters.of(np.arange(len(successes)) // per_document))
    columns = count_columns(tally, tally.cell(), successes, n)
    return Rates(tally.sweep(seed, 200), columns)


class Rates:
    def __init__(self, sweep: Sweep, columns: tuple[object, ...]) -> None:
        self.sweep, self.columns = sweep, columns

    def fitted(self, tries: int) -> tuple[float, float, float]:
        found = resolve_rate(self.sweep, self.columns, tries)  # pyrefly: ignore[bad-argument-type]
        assert found.value is not None
        assert found.low is not None
        assert found.high is not None
        return found.value, found.low, found.high


def test_the_interval_covers_the_true_rate() -> None:
    """Draw from Beta(.8, 1.2): 5 tries, 600 rows in 200 documents."""
    truth = fresh(0.8, 1.2, 5)
    covered = 0
    for seed in range(30):
        _, low, high = swept(beta_binomial(seed, 0.8, 1.2, 5, 600), 5, 3, seed).fitted(5)
        covered += low <= truth <= high

    # Binomial(30, .95) is below 25 with a probability of 1 in 300.
    assert covered >= 25


def test_new_tries_succeed_at_the_predicted_rate() -> None:
    """Simulate five more tries for rows with 0 of 5 successes."""
    rng = np.random.default_rng(3)
    rates = rng.beta(0.6, 1.0, 20_000)
    first, second = rng.binomial(5, rates), rng.binomial(5, rates)
    value, low, high = swept(first, 5, 4, 1).fitted(5)

    assert low < value < high
    assert (second[first == 0] > 0).mean() == pytest.approx(value, abs=0.02)


def test_edge_cases_of_the_fit_are_bounded_and_flagged() -> None:
    assert (fit([9, 0, 0, 0]).edge, fit([9, 0, 0, 0]).rate) == ("no_success", 0.0)
    assert (fit([0, 0, 0, 9]).edge, fit([0, 0, 0, 9]).correlation) == ("all_success", None)
    even = fit([0, 0, 50, 0, 0])
    assert (even.edge, even.rate, even.correlation, even.a) == ("binomial", 0.5, 0.0, None)
    assert even.fitted == pytest.approx(scipy.stats.binom.pmf(np.arange(5), 4, 0.5), abs=1e-6)
    split = fit([30, 0, 0, 0, 10])
    assert (split.edge, split.rate) == ("two_point", 0.25)
    assert split.fitted[0] == pytest.approx(0.75, abs=1e-5)
    with pytest.raises(ValueError, match="2 to 64"):
        fit([3, 4])
    with pytest.raises(ValueError, match="2 to 64"):
        fit(np.ones(67))
    with pytest.raises(ValueError, match="at least one row"):
        fit([0, 0, 0])
    assert fit(np.ones(65)).edge == ""


def test_the_rate_in_edge_cases_of_the_fit() -> None:
    def rate(successes: list[int]) -> float | None:
        tally = Tally(Clusters.of(np.arange(len(successes))))
        columns = count_columns(tally, tally.cell(), np.array(successes, dtype=int), 4)
        return resolve_rate(tally.sweep(1, 50), columns, 4).value

    assert rate([0] * 40) == 0.0
    assert rate([4] * 40) is None
    assert rate([]) is None
    assert rate([2] * 40) == pytest.approx(1 - 0.5**4)
    assert rate([0] * 20 + [4] * 20) == pytest.approx(0.0, abs=1e-5)
    tally = Tally(Clusters.of([1]))
    with pytest.raises(ValueError, match=r"outside 0\.\.4"):
        count_columns(tally, tally.cell(), np.array([5]), 4)


def test_the_held_out_rate_equals_an_enumeration() -> None:
    rng = np.random.default_rng(4)
    solved = rng.random((300, 5)) < rng.beta(0.5, 1, 300)[:, None]
    tally = Tally(Clusters.of(np.arange(300) // 3))
    columns = count_columns(tally, tally.cell(), solved.sum(axis=1), 5)
    found = held_out_rate(tally.sweep(1, 100), columns, 3)
    selected = again = 0
    for chosen in combinations(range(5), 3):
        others = [each for each in range(5) if each not in chosen]
        hard = ~solved[:, list(chosen)].any(axis=1)
        selected += int(hard.sum())
        again += int((hard & solved[:, others].any(axis=1)).sum())

    assert found.value == pytest.approx(again / selected, abs=1e-6)
    assert found.low is not None
    with pytest.raises(ValueError, match="can be selected"):
        held_out_rate(tally.sweep(1, 9), columns, 5)
