"""Bimodality of scores: three measures, because each is fooled by something else.

None of them is a verdict. Sarle's coefficient rises with skewness alone; Ashman's D of a fitted
mixture is 3.03 for uniform scores, well above its customary cut of 2; the valley depends on the
bins. A reader sees all of them beside their values for a uniform sample (`UNIFORM_SARLE`,
`UNIFORM_ASHMAN`).
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.clusters import Cell, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import SCALE, Floats, Ints, divided, rounded, scaled

BINS = 5
UNIFORM_SARLE = 5 / 9
# Two Gaussians fitted to a uniform distribution: means .259 and .741 of its width, sd .159.
UNIFORM_ASHMAN = 3.03
_ITERATIONS = 2000
_TOLERANCE = 1e-7
# A component this light, or this narrow beside the sample, has run onto single values.
_MIN_WEIGHT = 0.01
_MIN_WIDTH = 0.02


def sarle(values: npt.ArrayLike) -> float | None:
    """Sarle's bimodality coefficient, (G1^2 + 1) / (G2 + 3 (n-1)^2 / ((n-2)(n-3))).

    G1 and G2 are skewness and excess kurtosis corrected for sample size (SAS/STAT CLUSTER; Pfister
    et al. 2013). 5/9 for a uniform, 1/3 for a normal sample, 1 for two points. None for fewer than
    four values or when all are equal. Central moments are computed from whole units, exactly.
    """
    units, counts = np.unique(scaled(values), return_counts=True)
    n = int(counts.sum())
    if n < 4 or len(units) < 2:
        return None
    pairs = [(int(x), int(c)) for x, c in zip(units.tolist(), counts.tolist(), strict=True)]
    total = sum(x * c for x, c in pairs)
    # n times the deviation from the mean is a whole number.
    m2, m3, m4 = (
        Fraction(sum(c * (n * x - total) ** power for x, c in pairs), n ** (power + 1))
        for power in (2, 3, 4)
    )
    skewness = n * (n - 1) / (n - 2) ** 2 * float(m3**2 / m2**3)
    kurtosis = (n - 1) / ((n - 2) * (n - 3)) * ((n + 1) * (float(m4 / m2**2) - 3) + 6)
    return rounded((skewness + 1) / (kurtosis + 3 * (n - 1) ** 2 / ((n - 2) * (n - 3))))


def bins(values: npt.ArrayLike) -> Ints:
    """The bin of each value in [0, 1]: [0, .2), [.2, .4), [.4, .6), [.6, .8), [.8, 1], as 0..4.

    Raises:
        ValueError: a value lies outside.
    """
    units = scaled(values)
    if units.size and (units.min() < 0 or units.max() > SCALE):
        raise ValueError("a score lies outside 0 to 1")
    found: Ints = np.minimum(units * BINS // SCALE, BINS - 1).astype(np.int64)
    return found


def histogram(values: npt.ArrayLike) -> tuple[int, ...]:
    """How many values lie in each of the five bins."""
    return tuple(np.bincount(bins(values).ravel(), minlength=BINS).tolist())


def valley(counts: npt.ArrayLike) -> Floats:
    """Valley ratio h_mid / min(h_left, h_right) of histograms (..., 5): below 1, a valley.

    h_mid is the middle bin, h_left the higher of the two bins left of it, h_right the higher of the
    two right of it: a valley is measured from the lower of its two peaks. On the published counts
    (33518, 45525, 25803, 52087, 31961) this gives 25803 / 45525 = .567, as published; sums of two
    bins would give .326. (There the higher bins are also those next to the middle.) NaN when one
    side is empty.
    """
    table = np.asarray(counts, dtype=np.float64)
    left = np.maximum(table[..., 0], table[..., 1])
    right = np.maximum(table[..., 3], table[..., 4])
    return divided(table[..., 2], np.minimum(left, right))


def bin_columns(tally: Tally, cell: Cell, values: npt.ArrayLike) -> tuple[Column, ...]:
    """The histogram of `values` (cell.n,) as five columns of flags."""
    places = bins(values)
    return tuple(tally.flags(cell, places == each) for each in range(BINS))


def valley_ratio(sweep: Sweep, columns: tuple[Column, ...]) -> Interval:
    """The valley ratio with its document-clustered interval; `columns` from `bin_columns`."""
    return sweep.statistic(lambda *sums: valley(np.stack(sums, axis=1)), *columns)


@dataclass(frozen=True, slots=True)
class Mixture:
    """Two Gaussians fitted by maximum likelihood, the lower mean first; sd are not variances."""

    means: tuple[float | None, float | None]
    deviations: tuple[float | None, float | None]
    weights: tuple[float | None, float | None]
    ashman: float | None


def mixture(values: npt.ArrayLike) -> Mixture | None:
    """Two-component Gaussian mixture by EM (Dempster et al. 1977), and Ashman's D of it.

    D = sqrt 2 |m1 - m2| / sqrt(s1^2 + s2^2) (Ashman et al. 1994). Components are fitted, never cut
    at a point: cutting a uniform sample in half gives 3.46. Starts at the quartiles with the
    sample's variance; values are taken in thousandths when there are more than 1,001 different.

    None when it says nothing: fewer than 10 values or 3 different ones; no convergence in 2,000
    steps (one Gaussian is enough, and the two cannot be told apart); or a component holds less than
    1% of the sample or is narrower than 2% of the sample's deviation (it sits on one value).
    """
    units = scaled(values)
    if len(np.unique(units)) > 1001:
        units = np.rint(units / 1000) * 1000
    found, counts = np.unique(units, return_counts=True)
    n, x, weight = counts.sum(), found / SCALE, counts.astype(np.float64)
    if n < 10 or len(x) < 3:
        return None
    below = np.cumsum(counts)
    means = x[np.searchsorted(below, np.asarray([n / 4, 3 * n / 4]))]
    centre = float((x * weight).sum() / n)
    spread = float(((x - centre) ** 2 * weight).sum() / n)
    variances, shares = np.full(2, spread), np.full(2, 0.5)
    for _ in range(_ITERATIONS):
        exponent = np.log(shares) - 0.5 * np.log(variances)
        exponent = exponent[:, None] - 0.5 * (x - means[:, None]) ** 2 / variances[:, None]
        density = np.exp(exponent - exponent.max(axis=0))
        part = density / density.sum(axis=0) * weight
        sizes = part.sum(axis=1)
        if sizes.min() < _MIN_WEIGHT * n:
            return None
        new_means = (part * x).sum(axis=1) / sizes
        new_variances = (part * (x - new_means[:, None]) ** 2).sum(axis=1) / sizes
        if new_variances.min() < _MIN_WIDTH**2 * spread:
            return None
        moved = max(
            float(np.abs(new_means - means).max()),
            float(np.abs(np.sqrt(new_variances) - np.sqrt(variances)).max()),
            float(np.abs(sizes / n - shares).max()),
        )
        means, variances, shares = new_means, new_variances, sizes / n
        if moved < _TOLERANCE:
            return _mixture(means, variances, shares)
    return None


def _mixture(means: Floats, variances: Floats, shares: Floats) -> Mixture:
    low, high = (0, 1) if means[0] <= means[1] else (1, 0)
    deviations = np.sqrt(variances)
    return Mixture(
        (rounded(means[low]), rounded(means[high])),
        (rounded(deviations[low]), rounded(deviations[high])),
        (rounded(shares[low]), rounded(shares[high])),
        rounded(float(np.sqrt(2 / variances.sum()) * abs(means[0] - means[1]))),
    )
