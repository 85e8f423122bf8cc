"""What the best of k tries scores, from n >= k tries, without the bias of the plain maximum."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.clusters import Cell, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import Floats


def weights(n: int, k: int) -> tuple[Fraction, ...]:
    """Weight of the i-th smallest of n scores in E[max of k]: C(i-1, k-1) / C(n, k), i = 1..n.

    The share of the k-subsets of n scores whose largest is the i-th: so the weighted sum is the
    mean maximum over all k-subsets, an unbiased estimate (a U-statistic, Hoeffding 1948).

    Raises:
        ValueError: k is not in 1..n.
    """
    if not 1 <= k <= n:
        raise ValueError(f"no maximum of {k} can be had from {n} scores")
    return tuple(Fraction(comb(i - 1, k - 1), comb(n, k)) for i in range(1, n + 1))


def expected(scores: npt.ArrayLike, k: int) -> Floats:
    """E[max of k] for each row of `scores` (rows, n): shape (rows,), in the scores' unit.

    Every row has its n scores; rows with fewer belong in a matrix of their own.
    """
    ordered = _ordered(scores)
    found = np.zeros(len(ordered))
    for place, weight in enumerate(weights(ordered.shape[1], k)):
        found += ordered[:, place] * float(weight)
    return found


def ordered_columns(tally: Tally, cell: Cell, scores: npt.ArrayLike) -> tuple[Column, ...]:
    """The sorted scores (cell.n, n) as n columns: minimum first, maximum last.

    E[max of k] is linear in them, so their exact sums give every k, the mean included (k = 1).
    """
    return tally.columns(cell, _ordered(scores))


def curve(sweep: Sweep, columns: tuple[Column, ...]) -> tuple[Interval, ...]:
    """Mean E[max of k] for k = 1..n with document-clustered intervals.

    `columns` from `ordered_columns`. The first is the mean score, the last the mean plain maximum.
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
        raise ValueError("scores are a matrix of rows by tries with no gap")
    return np.sort(matrix, axis=1)
