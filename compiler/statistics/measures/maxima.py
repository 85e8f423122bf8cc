"""The expected maximum of k scores from n >= k scores, without the bias of the plain maximum."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.clusters import Cell, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import Floats


def weights(n: int, k: int) -> tuple[Fraction, ...]:
    """Return the weights of n sorted scores in E[max of k]: C(i-1, k-1) / C(n, k), i = 1..n.

    The i-th weight is the share of the k-subsets of n scores whose largest is the i-th smallest. So
    the weighted sum is the mean maximum over all k-subsets, an unbiased estimate (a U-statistic,
    Hoeffding 1948).

    Raises:
        ValueError: k is not in 1..n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"the maximum of {k} cannot be estimated from {n} scores")
    return tuple(Fraction(comb(i - 1, k - 1), comb(n, k)) for i in range(1, n + 1))


def expected(scores: npt.ArrayLike, k: int) -> Floats:
    """Estimate E[max of k] for each row of `scores` (rows, n): shape (rows,), in the scores' unit.

    Raises:
        ValueError: a score is missing or not finite, or k is not in 1..n.
    """
    ordered = _ordered(scores)
    found = np.zeros(len(ordered))
    for place, weight in enumerate(weights(ordered.shape[1], k)):
        found += ordered[:, place] * float(weight)
    return found


def ordered_columns(tally: Tally, cell: Cell, scores: npt.ArrayLike) -> tuple[Column, ...]:
    """Add the sorted scores (cell.n, n) as n columns: minimum first, maximum last.

    E[max of k] is linear in them, so their exact sums give every k, including the mean (k = 1).
    """
    return tally.columns(cell, _ordered(scores))


def curve(sweep: Sweep, columns: tuple[Column, ...]) -> tuple[Interval, ...]:
    """Estimate the mean of E[max of k] for k = 1..n, with intervals clustered by document.

    `columns`: from `ordered_columns`. The first is the mean score, the last the mean plain maximum.
    """
    counts = Column(columns[0].cell.counts, 1, columns[0].cell)
    found = []
    for k in range(1, len(columns) + 1):
        numbers = [float(each) for each in weights(len(columns), k)]

        def mean(size: Floats, *sums: Floats, numbers: list[float] = numbers) -> Floats:
            total = np.zeros_like(size)
            for weight, each in zip(numbers, sums, strict=True):
                total = total + weight * each
            return total / np.where(size > 0, size, np.nan)

        found.append(sweep.statistic(mean, counts, *columns))
    return tuple(found)


def _ordered(scores: npt.ArrayLike) -> Floats:
    matrix = np.asarray(scores, dtype=np.float64)
    if matrix.ndim != 2 or not np.isfinite(matrix).all():
        raise ValueError("scores must be a finite matrix of rows by tries")
    return np.sort(matrix, axis=1)
