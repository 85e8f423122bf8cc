"""Bimodality of scores: two measures with different weaknesses.

Neither is a test. Sarle's coefficient rises with skewness alone; the valley ratio depends on where
the bins end. Reports show both, with the coefficient of a uniform sample for comparison.
"""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.clusters import Cell, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import SCALE, Floats, Ints, divided, rounded, scaled

BINS = 5
UNIFORM_SARLE = 5 / 9


def sarle(values: npt.ArrayLike) -> float | None:
    """Compute Sarle's bimodality coefficient, (G1^2 + 1) / (G2 + 3 (n-1)^2 / ((n-2)(n-3))).

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
    """Return the bin, 0..4, of each value: [0, .2), [.2, .4), [.4, .6), [.6, .8), [.8, 1].

    Raises:
        ValueError: a value is outside [0, 1].
    """
    units = scaled(values)
    if units.size and (units.min() < 0 or units.max() > SCALE):
        raise ValueError("a score is outside 0 to 1")
    found: Ints = np.minimum(units * BINS // SCALE, BINS - 1).astype(np.int64)
    return found


def histogram(values: npt.ArrayLike) -> tuple[int, ...]:
    """Count the values in each of the five bins."""
    return tuple(np.bincount(bins(values).ravel(), minlength=BINS).tolist())


def valley(counts: npt.ArrayLike) -> Floats:
    """Compute the valley ratio h_mid / min(h_left, h_right) of histograms (..., 5).

    A ratio below 1 is a valley.

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
    """Add the histogram of `values` (cell.n,) as five columns of flags."""
    places = bins(values)
    return tuple(tally.flags(cell, places == each) for each in range(BINS))


def valley_ratio(sweep: Sweep, columns: tuple[Column, ...]) -> Interval:
    """Estimate the valley ratio, clustered by document. `columns`: from `bin_columns`."""
    return sweep.statistic(lambda *sums: valley(np.stack(sums, axis=1)), *columns)
