from __future__ import annotations

from itertools import combinations

import krippendorff
import numpy as np
import pandas
import pytest
import scipy
from hypothesis import given
from hypothesis import strategies as st

from compiler.statistics.measures.agreement import (
    Agreement,
    agreement,
    band_of,
    cohen,
    flipped,
    pearson,
    spearman,
)
from compiler.statistics.measures.clusters import Clusters
from compiler.statistics.measures.units import Floats

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")

# Shrout and Fleiss (1979), table 2: six targets, four judges, here divided by 10.
RATINGS = np.asarray(
    [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]]
) / 10  # fmt: skip
MATRICES = st.integers(2, 4).flatmap(
    lambda k: st.lists(st.lists(st.integers(0, 20), min_size=k, max_size=k), min_size=3)
)


def of(matrix: Floats, resamples: int = 20) -> Agreement:
    return agreement(matrix, Clusters.of(np.arange(len(matrix))), 1, resamples=resamples)


def test_iccs_equal_the_table_of_shrout_and_fleiss() -> None:
    found = of(RATINGS)

    assert found.icc_one_way.value == pytest.approx(0.17, abs=0.005)
    assert found.icc_absolute.value == pytest.approx(0.29, abs=0.005)
    assert (found.items, found.complete, found.repeats) == (6, 6, 4)


def simulated(seed: int, items: int, repeats: int, missing: float = 0.0) -> Floats:
    """Simulate scores with a probe sd of .25 and a judge sd of .15, in steps of 1/20."""
    rng = np.random.default_rng(seed)
    truth = rng.normal(0.5, 0.25, (items, 1))
    scores = np.clip(truth + rng.normal(0, 0.15, (items, repeats)), 0, 1)
    scores = np.round(scores * 20) / 20
    return np.where(rng.random(scores.shape) < missing, np.nan, scores)


def test_iccs_equal_those_of_an_analysis_of_variance() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = simulated(1, 40, 3)
    frame = pandas.DataFrame(
        [(i, j, scores[i, j]) for i in range(40) for j in range(3)], columns=["item", "judge", "x"]
    )
    one, two = (
        anova_lm(ols(f"x ~ {terms}", frame).fit())["mean_sq"]
        for terms in ("C(item)", "C(item) + C(judge)")
    )
    row, within = one["C(item)"], one["Residual"]
    judge, error = two["C(judge)"], two["Residual"]
    found = of(scores)

    assert found.icc_one_way.value == pytest.approx((row - within) / (row + 2 * within), abs=1e-6)
    assert found.icc_absolute.value == pytest.approx(
        (row - error) / (row + 2 * error + 3 / 40 * (judge - error)), abs=1e-6
    )


@pytest.mark.parametrize("missing", [0.0, 0.2])
def test_other_measures_equal_those_of_reference_libraries(missing: float) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    scores = simulated(2, 120, 3, missing)
    found = of(scores)
    kappas = []
    deltas = []
    flips = []
    for i, j in combinations(range(3), 2):
        both = scores[~np.isnan(scores[:, [i, j]]).any(axis=1)][:, [i, j]]
        table = np.zeros((5, 5))
        for first, second in np.minimum((both * 20).round().astype(int) // 4, 4):
            table[first, second] += 1
        kappas.append(cohens_kappa(table, wt="quadratic").kappa)
    for row in scores:
        pairs = list(combinations(row[~np.isnan(row)], 2))
        if pairs:
            deltas.append(float(np.mean([abs(a - b) for a, b in pairs])))
            bands = [[int(x >= 0.4) + int(x >= 0.8) for x in pair] for pair in pairs]
            flips.append(float(np.mean([a != b for a, b in bands])))
    pairable = scores[(~np.isnan(scores)).sum(axis=1) >= 2]
    alpha = krippendorff.alpha(pairable.T, level_of_measurement="interval")

    assert found.kappa.value == pytest.approx(np.mean(kappas), abs=1e-6)
    assert found.alpha.value == pytest.approx(alpha, abs=1e-5)
    assert found.mean_delta.value == pytest.approx(np.mean(deltas), abs=1e-6)
    assert found.flips.value == pytest.approx(np.mean(flips), abs=1e-6)
    assert found.items == len(pairable)
    assert found.complete == (~np.isnan(scores)).all(axis=1).sum()
    complete = of(scores[~np.isnan(scores).any(axis=1)])
    assert found.icc_one_way.value == complete.icc_one_way.value


@given(MATRICES, st.permutations(range(3)))
def test_the_order_of_items_does_not_matter(rows: list[list[int]], order: list[int]) -> None:
    matrix = np.asarray(rows) / 20
    names = np.arange(len(matrix))
    shuffled = np.concatenate([np.asarray(order), names[3:]])

    assert agreement(matrix, Clusters.of(names), 1, resamples=9) == agreement(
        matrix[shuffled], Clusters.of(names[shuffled]), 1, resamples=9
    )


def test_the_intervals_cover_the_planted_reliability() -> None:
    """Expect an ICC of .0625 / (.0625 + .0225), with scores unclipped and unrounded."""
    truth = 0.0625 / 0.085
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        scores = 0.5 + rng.normal(0, 0.025, (150, 1)) + rng.normal(0, 0.015, (150, 3))
        found = agreement(scores, Clusters.of(np.arange(150)), seed, resamples=300).icc_one_way
        assert found.low is not None
        assert found.high is not None
        covered += found.low <= truth <= found.high

    # Binomial(60, .95) is below 51 with a probability of 1 in 300.
    assert covered >= 51


def test_perfect_agreement_and_constant_scores() -> None:
    same = np.repeat(np.asarray([[0.1], [0.5], [0.9]]), 3, axis=1)
    perfect, constant = of(same), of(np.full((9, 2), 0.3))

    assert perfect.icc_one_way.value == perfect.icc_absolute.value == 1.0
    assert perfect.kappa.value == perfect.alpha.value == 1.0
    assert perfect.flips.value == perfect.mean_delta.value == 0.0
    assert constant.icc_one_way.value is None
    assert constant.icc_absolute.value is None
    assert constant.kappa.value is None
    assert constant.alpha.value is None
    assert constant.mean_delta.value == 0.0
    with pytest.raises(ValueError, match="two repeats"):
        of(np.ones((5, 1)))


def test_bands_and_flips() -> None:
    values = [0, 0.39, 0.4, 0.79, 0.8, 1]

    assert band_of(values).tolist() == [0, 0, 1, 1, 2, 2]
    assert flipped(values, [0, 0.4, 0.4, 0.1, 1, 1]).tolist() == [
        False, True, False, True, False, False,
    ]  # fmt: skip


@pytest.mark.parametrize("table", [(20, 5, 10, 15), (45, 15, 25, 15), (10, 0, 0, 10), (1, 9, 9, 1)])
def test_kappa_of_two_by_two_equals_statsmodels(table: tuple[int, int, int, int]) -> None:
    from statsmodels.stats.inter_rater import cohens_kappa

    expected = cohens_kappa(np.reshape(table, (2, 2))).kappa

    assert cohen(*table) == pytest.approx(expected, abs=1e-6)


def test_kappa_of_one_label_is_undefined() -> None:
    assert cohen(0, 0, 0, 0) is None
    assert cohen(3, 2, 0, 0) is None


@given(st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20)), min_size=3))
def test_correlations_equal_those_of_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.asarray(pairs).T / 20
    if len(set(first)) == 1 or len(set(second)) == 1:
        assert pearson(first, second) is None
        assert spearman(first, second) is None
        return

    assert pearson(first, second) == pytest.approx(scipy.stats.pearsonr(first, second)[0], abs=1e-6)
    assert spearman(first, second) == pytest.approx(
        scipy.stats.spearmanr(first, second)[0], abs=1e-6
    )
    assert pearson([], []) is None
