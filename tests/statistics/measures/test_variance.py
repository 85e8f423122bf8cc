from __future__ import annotations

import numpy as np
import pandas
import pytest

from compiler.statistics.measures.heaping import Heap, heaping
from compiler.statistics.measures.units import Floats
from compiler.statistics.measures.variance import components

# One worker imports the reference libraries.
pytestmark = pytest.mark.xdist_group("references")


def nested(seed: int, probes: int, k: int, j: int, sd: tuple[float, float, float]) -> Floats:
    rng = np.random.default_rng(seed)
    return np.asarray(
        0.5
        + rng.normal(0, sd[0], (probes, 1, 1))
        + rng.normal(0, sd[1], (probes, k, 1))
        + rng.normal(0, sd[2], (probes, k, j))
    )


def test_planted_components_are_recovered() -> None:
    found = components(nested(1, 4000, 5, 3, (0.2, 0.15, 0.1)))

    assert found.probe == pytest.approx(0.04, rel=0.05)
    assert found.rollout == pytest.approx(0.0225, rel=0.05)
    assert found.judge == pytest.approx(0.01, rel=0.05)
    assert found.reliability == pytest.approx(0.04 / (0.04 + 0.0225 / 5 + 0.01 / 15), rel=0.01)
    # 4 (Vr + Vj / 3) / Vp = 2.58
    assert found.needed == 3
    assert found.floored == ()


def test_the_mean_squares_equal_those_of_an_analysis_of_variance() -> None:
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm

    scores = nested(2, 12, 3, 2, (0.2, 0.2, 0.1)).round(2)
    frame = pandas.DataFrame(
        [(p, f"{p}-{r}", scores[p, r, j]) for p in range(12) for r in range(3) for j in range(2)],
        columns=["probe", "rollout", "x"],
    )
    probe = anova_lm(ols("x ~ C(probe)", frame).fit())
    rollout = anova_lm(ols("x ~ C(rollout)", frame).fit())
    judge = rollout["mean_sq"]["Residual"]
    ss = rollout["sum_sq"]["C(rollout)"] - probe["sum_sq"]["C(probe)"]
    found = components(scores)

    assert found.judge == pytest.approx(judge, abs=1e-6)
    assert found.rollout == pytest.approx((ss / 24 - judge) / 2, abs=1e-6)
    assert found.probe == pytest.approx((probe["mean_sq"]["C(probe)"] - ss / 24) / 6, abs=1e-6)


def test_the_reliability_equals_the_correlation_of_repeated_means() -> None:
    """Correlate two independent means of five rollouts of the same probes."""
    scores = nested(3, 20_000, 10, 1, (0.15, 0.25, 0.0))
    found = components(scores[:, :5])
    first, second = scores[:, :5].mean(axis=(1, 2)), scores[:, 5:].mean(axis=(1, 2))

    assert found.reliability == pytest.approx(np.corrcoef(first, second)[0, 1], abs=0.01)
    assert found.judge is None
    assert found.judgements == 1


def test_needed_is_the_smallest_number_with_the_required_reliability() -> None:
    scores = nested(4, 3000, 4, 2, (0.1, 0.2, 0.1))
    found = components(scores)
    assert found.needed is not None
    assert found.probe is not None
    assert found.rollout is not None
    assert found.judge is not None

    def reliability(k: int) -> float:
        noise = (found.rollout or 0) / k + (found.judge or 0) / (2 * k)
        return (found.probe or 0) / ((found.probe or 0) + noise)

    assert reliability(found.needed) >= 0.8 > reliability(found.needed - 1)


def test_negative_estimates_are_floored_and_named() -> None:
    # Equal probes whose rollouts differ maximally, and judgments that cancel within a rollout.
    alike = np.tile([[[0.0], [1.0]]], (5, 1, 1))
    cancel = np.tile([[[0.0, 1.0], [1.0, 0.0]]], (5, 1, 1))

    assert components(alike).floored == ("probe",)
    assert (components(alike).probe, components(alike).needed) == (0.0, None)
    assert components(alike).reliability == 0.0
    assert components(cancel).floored == ("rollout",)
    nothing = components(np.full((5, 2, 2), 0.5))
    assert (nothing.reliability, nothing.needed, nothing.floored) == (None, None, ())


def test_probes_with_gaps_are_dropped_and_constant_rollouts_have_reliability_1() -> None:
    scores = nested(5, 10, 2, 2, (0.2, 0.1, 0.1))
    scores[3, 1, 0] = np.nan

    assert components(scores) == components(np.delete(scores, 3, axis=0))
    assert components(scores[:1]).probe is None
    certain = components(np.repeat(np.repeat(scores[:3, :1, :1], 2, axis=1), 2, axis=2))
    assert (certain.reliability, certain.needed) == (1.0, 1)


def test_heaping_counts_the_most_frequent_scores() -> None:
    found = heaping([[0.5, 0.5, 0.25], [0.1, 0.25, 1.0]])

    assert (found.n, found.distinct) == (6, 4)
    assert found.top == (
        Heap(0.25, 0.333333), Heap(0.5, 0.333333), Heap(0.1, 0.166667), Heap(1.0, 0.166667)
    )  # fmt: skip
    assert found.anchors == 0.5
    assert len(heaping(np.arange(9) / 9).top) == 5
    assert heaping([]).anchors is None
    assert heaping([0.1 + 0.2, 0.3]).distinct == 1


def test_one_rollout_gives_the_judges_variance_and_no_other() -> None:
    scores = nested(2, 4000, 1, 2, (0.2, 0.15, 0.1))

    found = components(scores)

    pairs = np.diff(scores[:, 0, :], axis=1).ravel()
    assert found.judge == pytest.approx(float((pairs**2).mean()) / 2, abs=2e-6)
    assert (found.probe, found.rollout, found.reliability, found.needed) == (None,) * 4


def test_an_array_without_rollouts_is_rejected() -> None:
    with pytest.raises(ValueError, match="by rollouts"):
        components(np.empty((3, 0, 2)))
