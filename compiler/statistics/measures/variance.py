"""Components of the variance of scores: probes, answers to a probe, judgements of an answer."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.units import SCALE, rounded, scaled

TARGET = Fraction(4, 5)


class Components(Struct, frozen=True):
    """score = probe + rollout(probe) + judge(rollout), as variances in squared score units.

    `probes`, `rollouts`, `judgements`: the shape of the table. `probe`, `rollout`, `judge`: moment
    estimates, 0 where the estimate was negative (named in `floored`). `judge` is None with one
    judgement per rollout: then `rollout` holds both. `reliability`: of the mean of `rollouts`
    rollouts with `judgements` each; None when nothing varies. With one rollout, the variances of
    probes and of rollouts cannot be distinguished: both, and the values computed from them, are
    None. `needed`: the fewest rollouts, with `judgements` each, whose mean has a reliability of
    0.8; None when no number has (probes do not differ).
    """

    probes: int
    rollouts: int
    judgements: int
    probe: float | None
    rollout: float | None
    judge: float | None
    floored: tuple[str, ...]
    reliability: float | None
    needed: int | None


def components(scores: npt.ArrayLike) -> Components:
    """Compute a balanced nested analysis of variance (Searle et al. 1992, ch. 3).

    `scores`: (probes, K rollouts, J judgements); probes with a NaN are left out. E[MS_judge] = Vj,
    E[MS_rollout] = Vj + J Vr, E[MS_probe] = Vj + J Vr + K J Vp. Sums of squares are exact integers.

    Raises:
        ValueError: `scores` has not three dimensions, or K or J is 0.
    """
    table = np.asarray(scores, dtype=np.float64)
    if table.ndim != 3 or 0 in table.shape[1:]:
        raise ValueError("components of variance need probes by rollouts by judgements")
    table = table[~np.isnan(table).any(axis=(1, 2))]
    n, k, j = table.shape
    if n < 2:
        return Components(n, k, j, None, None, None, (), None, None)
    # Python integers, because squares of sums in millionths exceed 64 bits.
    units = scaled(table).astype(np.int64).astype(object)
    rollouts, probes = units.sum(axis=2), units.sum(axis=(1, 2))
    ss = int((units**2).sum())
    ss_rollouts = Fraction(int((rollouts**2).sum()), j)
    ss_probes = Fraction(int((probes**2).sum()), k * j)
    ss_all = Fraction(int(probes.sum()) ** 2, n * k * j)
    ms_judge = (ss - ss_rollouts) / (n * k * (j - 1)) if j > 1 else None
    judge = None if ms_judge is None else rounded(ms_judge / SCALE**2)
    if k < 2:
        return Components(n, k, j, None, None, judge, (), None, None)
    ms_rollout = (ss_rollouts - ss_probes) / (n * (k - 1))
    ms_probe = (ss_probes - ss_all) / (n - 1)
    estimates = {
        "probe": (ms_probe - ms_rollout) / (k * j),
        "rollout": ms_rollout if ms_judge is None else (ms_rollout - ms_judge) / j,
    }
    floored = tuple(name for name, value in estimates.items() if value < 0)
    probe, rollout = (max(value, Fraction(0)) for value in estimates.values())
    noise = rollout if ms_judge is None else rollout + ms_judge / j
    share = _reliability(probe, noise, k)
    return Components(
        n,
        k,
        j,
        rounded(probe / SCALE**2),
        rounded(rollout / SCALE**2),
        judge,
        floored,
        None if share is None else rounded(share),
        _needed(probe, noise),
    )


def _reliability(probe: Fraction, noise: Fraction, rollouts: int) -> Fraction | None:
    """Compute Vp / (Vp + Vr/K + Vj/(K J)), where noise = Vr + Vj/J."""
    total = probe + noise / rollouts
    return probe / total if total else None


def _needed(probe: Fraction, noise: Fraction) -> int | None:
    if not probe:
        return None
    needed = noise / probe * TARGET / (1 - TARGET)
    return max(1, -(-needed.numerator // needed.denominator))
