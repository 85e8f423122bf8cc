"""The dip against diptest, against its definition as linear programs, and its chances."""

from __future__ import annotations

import math

import numpy as np
import pytest
from diptest import dipstat, diptest
from hypothesis import given
from hypothesis import strategies as st
from scipy import optimize, stats

from compiler.statistics.measures.dip import dip_chance, dip_statistic
from compiler.statistics.measures.draws import Draws
from compiler.statistics.measures.units import Floats

EXACT = 1e-12
SHAPES = (
    "uniform",
    "normal",
    "two modes",
    "heavy tails",
    "jittered lattice",
    "ties",
    "one far off",
)


def shaped(shape: str, n: int, seed: int) -> Floats:
    rng = np.random.default_rng(seed)
    found: dict[str, Floats] = {
        "uniform": rng.random(n),
        "normal": rng.normal(size=n),
        "two modes": np.where(rng.random(n) < 0.4, 0.2, 0.75) + rng.normal(0, 0.08, n),
        "heavy tails": rng.standard_cauchy(n) ** 3,
        "jittered lattice": rng.integers(0, 11, n) / 10 + (rng.random(n) - 0.5) / 10,
        "ties": rng.integers(0, 6, n) / 5,
        "one far off": np.append(rng.random(n - 1), 1e9),
    }
    return found[shape]


def oracle(values: Floats) -> float:
    """Without its special case: 0 where n is under 4 or all values are equal."""
    return float(dipstat(values, allow_zero=False))


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [1, 2, 3, 4, 5, 6, 7, 20, 333, 2000])
def test_the_dip_is_that_of_diptest(shape: str, n: int) -> None:
    for seed in range(40 if n < 100 else 4):
        values = shaped(shape, n, seed)
        expected = oracle(values)

        assert dip_statistic(values) == pytest.approx(expected, abs=EXACT)
        assert dip_statistic(np.sort(values)) == pytest.approx(expected, abs=EXACT)


@given(st.lists(st.floats(-1e6, 1e6), min_size=1, max_size=60))
def test_the_dip_of_any_numbers_is_that_of_diptest(values: list[float]) -> None:
    assert dip_statistic(values) == pytest.approx(oracle(np.asarray(values)), abs=EXACT)


@given(st.lists(st.integers(0, 12), min_size=1, max_size=60), st.integers(0, 2**32))
def test_the_dip_of_ties_is_that_of_diptest_jittered_or_not(twelfths: list[int], seed: int) -> None:
    values = np.asarray(twelfths) / 12
    jittered = values + Draws(seed).uniform(len(values)) / 12

    assert dip_statistic(values) == pytest.approx(oracle(values), abs=EXACT)
    assert dip_statistic(jittered) == pytest.approx(oracle(jittered), abs=EXACT)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=40), st.randoms(use_true_random=False))
def test_order_and_direction_do_not_matter(values: list[float], chance: object) -> None:
    found = dip_statistic(values)
    shuffled = list(values)
    chance.shuffle(shuffled)  # type: ignore[attr-defined]

    assert dip_statistic(shuffled) == found
    assert dip_statistic([-each for each in values]) == pytest.approx(found, abs=EXACT)
    assert 1 / (2 * len(values)) <= found <= max(0.25, 1 / (2 * len(values)))


@pytest.mark.parametrize("n", [1, 2, 3, 6, 40])
def test_the_least_dip(n: int) -> None:
    for values in (np.full(n, 0.3), np.arange(n), np.arange(n) ** 2, np.sqrt(np.arange(n))):
        assert dip_statistic(values) == 1 / (2 * n)


def test_the_largest_dip_is_that_of_two_points() -> None:
    assert dip_statistic([0.0, 1.0] * 50) == 0.25
    assert dip_statistic([0.0] * 30 + [1.0] * 70) == pytest.approx(0.15, abs=EXACT)


def test_no_value_and_no_number() -> None:
    assert math.isnan(dip_statistic([]))
    for bad in (math.nan, math.inf):
        with pytest.raises(ValueError, match="not finite"):
            dip_statistic([0.1, bad, 0.2])


def with_mode_at(x: Floats, mode: int) -> float:
    """Least D for which a distribution with this mode is within D of the empirical one of `x`.

    Unknown are D and the heights at the values, two at the mode, where the distribution may jump:
    convex up to the first of them, concave from the second. (A jump between two values could be
    moved to one of them.) A linear program.
    """
    n = len(x)
    rows: list[Floats] = []
    limits: list[float] = []

    def at_most(limit: float, terms: dict[int, float]) -> None:
        row = np.zeros(n + 2)
        row[list(terms)] = list(terms.values())
        rows.append(row)
        limits.append(limit)

    for unknown in range(n + 1):
        convex = unknown <= mode
        i, first = (unknown, 0) if convex else (unknown - 1, mode + 1)
        # The empirical distribution steps from i/n to (i+1)/n here; at the mode, G steps as well.
        steps = {mode: (i,), mode + 1: (i + 1,)}.get(unknown, (i, i + 1))
        for step in steps:
            at_most(step / n, {unknown: 1, n + 1: -1})
            at_most(-step / n, {unknown: -1, n + 1: -1})
        if unknown:
            at_most(0, {unknown - 1: 1, unknown: -1})
        if unknown > first + 1:
            before, after = 1 / (x[i - 1] - x[i - 2]), 1 / (x[i] - x[i - 1])
            sign = -1 if convex else 1
            turn = {unknown: after, unknown - 1: -after - before, unknown - 2: before}
            at_most(0, {place: sign * factor for place, factor in turn.items()})
    aim = np.append(np.zeros(n + 1), 1)
    found = optimize.linprog(aim, A_ub=np.asarray(rows), b_ub=limits, bounds=(0, 1))
    assert found.status == 0
    return float(found.fun)


@pytest.mark.parametrize("n", [2, 3, 4, 5, 6, 8, 11])
def test_the_dip_is_what_its_definition_says(n: int) -> None:
    for shape in ("uniform", "two modes", "normal"):
        values = np.sort(shaped(shape, n, n))
        defined = min(with_mode_at(values, mode) for mode in range(n))
        assert dip_statistic(values) == pytest.approx(defined, abs=1e-7)


def samples_of(n: int) -> list[Floats]:
    """Uniform samples, and such with two heaps, so that all chances occur."""
    rng = np.random.default_rng(n)
    found = [rng.random(n) for _ in range(30)]
    for share in np.linspace(0, 4 / math.sqrt(n), 60):
        heaps = rng.choice([0.2, 0.8], n) + rng.normal(0, 1e-3, n)
        found.append(np.where(rng.random(n) < share, heaps, rng.random(n)))
    return found


@pytest.mark.parametrize("n", [15, 17, 20, 40, 50, 75, 100, 150, 300, 500, 700, 1999, 2000, 7000])
def test_the_chance_is_about_that_of_diptest(n: int) -> None:
    """Its table has steps of 0.1 in the middle and linear steps between sizes: hence 0.015."""
    for values in samples_of(n):
        statistic, expected = diptest(values, allow_zero=False)
        found = dip_chance(statistic, n)

        assert found == pytest.approx(expected, abs=0.015)
        if expected < 0.05:
            assert found == pytest.approx(expected, abs=0.006)


@pytest.mark.parametrize("n", [4, 5, 7, 9, 11, 12, 13, 14])
def test_the_chance_of_a_few_values_is_that_of_diptest_in_the_tail(n: int) -> None:
    """In the middle it is not: there many samples have the least dip, and ours gives that a 1."""
    compared = 0
    for values in samples_of(n):
        statistic, expected = diptest(values, allow_zero=False)
        if expected < 0.1:
            assert dip_chance(statistic, n) == pytest.approx(expected, abs=0.015)
            compared += 1

    assert compared >= 5


@pytest.mark.parametrize("n", [14, 40, 400])
def test_uniform_samples_have_uniform_chances(n: int) -> None:
    """At sizes that are not in the table, from numbers that the table was not made of."""
    draws = Draws(900_000 + n)
    found = [dip_chance(dip_statistic(draws.uniform(n)), n) for _ in range(500)]

    assert stats.kstest(found, "uniform").pvalue > 0.01


@given(st.integers(4, 9000), st.floats(0, 0.3), st.floats(0, 0.3))
def test_a_deeper_dip_is_rarer(n: int, one: float, other: float) -> None:
    low, high = sorted((one, other))

    assert 1 >= dip_chance(low, n) >= dip_chance(high, n) >= 1e-5


def test_the_ends_of_the_table() -> None:
    assert [dip_chance(1 / (2 * n), n) for n in (1, 2, 3, 4, 8, 11, 5000, 10**6)] == [1.0] * 8
    assert dip_chance(0.25, 2000) == 1e-5
    # Above the largest size, sqrt(n) D is as there.
    assert dip_chance(0.5 / 100, 10_000) == dip_chance(0.5 / math.sqrt(5000), 5000)
