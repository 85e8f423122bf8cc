"""Agreement of repeated judgements, and correlations.

Every measure is a function of sums over items, so that all of them get intervals from one sweep of
resampled documents. A matrix has a row per item and a column per repeat (a second judgement, or
another judge); NaN stands for a repeat without a valid score.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.bimodality import bins
from compiler.statistics.measures.clusters import RESAMPLES, Cell, Clusters, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import Flags, Floats, Ints, divided, rounded, scaled, whole

BANDS = (0.4, 0.8)


class Agreement(Struct, frozen=True):
    """Agreement of the repeats of one matrix of scores in [0, 1].

    `items`: rows with at least two repeats; `complete`: rows with all. The two ICCs use complete
    rows only; all others use every pair of repeats. `icc_one_way`: ICC(1,1); `icc_absolute`:
    ICC(A,1); `kappa`: quadratic-weighted Cohen's kappa on the five bins, mean over pairs of
    repeats; `alpha`: Krippendorff's, interval metric; `mean_delta`: mean |difference| of two
    repeats of an item; `flips`: share of pairs of repeats of an item that are in different bands.
    The coefficients are undefined, with a value of None, where scores do not vary.
    """

    items: int
    complete: int
    repeats: int
    icc_one_way: Interval
    icc_absolute: Interval
    kappa: Interval
    alpha: Interval
    mean_delta: Interval
    flips: Interval


def agreement(
    matrix: npt.ArrayLike,
    clusters: Clusters,
    seed: int,
    bands: tuple[float, float] = BANDS,
    resamples: int = RESAMPLES,
) -> Agreement:
    """Compute all measures of `matrix` (items, repeats), whose rows are those of `clusters`.

    `bands`: HARD below the first, EASY from the second on.

    Raises:
        ValueError: fewer than two repeats.
    """
    scores = np.asarray(matrix, dtype=np.float64)
    if scores.ndim != 2 or scores.shape[1] < 2:
        raise ValueError("agreement needs a matrix with at least two repeats")
    present = ~np.isnan(scores)
    tally = Tally(clusters)
    paired, full = tally.cell(present.sum(axis=1) >= 2), tally.cell(present.all(axis=1))
    icc = _icc_columns(tally, full, scores[full.rows])
    some = scores[paired.rows]
    alpha = _alpha_columns(tally, paired, some)
    kappa = _kappa_columns(tally, clusters, scores)
    deltas = tally.column(paired, _over_pairs(some, lambda a, b: np.abs(a - b)))
    places = _banded(some, bands)
    flips = tally.column(paired, _over_pairs(places, lambda a, b: (a != b).astype(np.float64)))
    sweep = tally.sweep(seed, resamples)
    repeats = scores.shape[1]
    return Agreement(
        paired.n,
        full.n,
        repeats,
        sweep.statistic(lambda *sums: _icc(repeats, *sums)[0], *icc),
        sweep.statistic(lambda *sums: _icc(repeats, *sums)[1], *icc),
        _kappa(sweep, kappa),
        sweep.statistic(_alpha, *alpha),
        sweep.mean(deltas),
        sweep.mean(flips),
    )


def band_of(values: npt.ArrayLike, bands: tuple[float, float] = BANDS) -> Ints:
    """Return 0 for HARD (below the first), 2 for EASY (from the second on), 1 between.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    found: Ints = np.digitize(scaled(values), scaled(bands)).astype(np.int64)
    return found


def flipped(
    first: npt.ArrayLike, second: npt.ArrayLike, bands: tuple[float, float] = BANDS
) -> Flags:
    """Mark the rows whose band differs between two scorings of the same rows; shape (rows,)."""
    found: Flags = band_of(first, bands) != band_of(second, bands)
    return found


def cohen(both: int, only_first: int, only_second: int, neither: int) -> float | None:
    """Compute Cohen's (1960) kappa of two binary raters; None when a rater uses one label only."""
    n = both + only_first + only_second + neither
    first, second = both + only_first, both + only_second
    if first in (0, n) or second in (0, n):
        return None
    chance = first * second + (n - first) * (n - second)
    return rounded((n * (both + neither) - chance) / (n * n - chance))


def pearson(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Compute the product-moment correlation; None for a constant vector or under 2 values."""
    return _correlation(whole(first), whole(second))


def spearman(first: npt.ArrayLike, second: npt.ArrayLike) -> float | None:
    """Compute the rank correlation, ties at their mean rank; None as for `pearson`."""
    return _correlation(_ranks(first), _ranks(second))


def _ranks(values: npt.ArrayLike) -> list[int]:
    """Return twice the mean rank of each value, from 1; ties share a rank, so these are whole."""
    _, places, counts = np.unique(
        np.asarray(values, dtype=np.float64), return_inverse=True, return_counts=True
    )
    before = np.cumsum(counts) - counts
    return [int(each) for each in (2 * before + counts + 1)[places.reshape(-1)].tolist()]


def _correlation(first: list[int], second: list[int]) -> float | None:
    n, a, b = len(first), sum(first), sum(second)
    both = n * sum(x * y for x, y in zip(first, second, strict=True)) - a * b
    one, other = n * sum(x * x for x in first) - a * a, n * sum(y * y for y in second) - b * b
    if not one or not other:
        return None
    return rounded(both / (one**0.5 * other**0.5))


def _icc_columns(tally: Tally, cell: Cell, scores: Floats) -> tuple[Column, ...]:
    squares = tally.column(cell, (scores**2).sum(axis=1))
    rows = tally.column(cell, scores.sum(axis=1) ** 2)
    return (tally.size(cell), squares, rows, *tally.columns(cell, scores))


def _icc(k: int, n: Floats, squares: Floats, rows: Floats, *repeats: Floats) -> tuple[Floats, ...]:
    """Compute ICC(1,1) and ICC(A,1) of McGraw and Wong (1996) from sums of a complete table."""
    total = np.zeros_like(n)
    columns = np.zeros_like(n)
    for each in repeats:
        total, columns = total + each, columns + each * each
    correction = divided(total * total, n * k)
    between = rows / k - correction
    judges = divided(columns, n) - correction
    msr, msc = divided(between, n - 1), judges / (k - 1)
    msw = divided(squares - rows / k, n * (k - 1))
    mse = divided(squares - rows / k - judges, (n - 1) * (k - 1))
    # Equal scores leave a rounding error instead of a variance of 0.
    alike = squares - correction <= 1e-9 * np.maximum(squares, 1e-9)
    one_way = divided(msr - msw, np.where(alike, 0, msr + (k - 1) * msw))
    spread = msr + (k - 1) * mse + k * divided(msc - mse, n)
    return one_way, divided(msr - mse, np.where(alike, 0, spread))


def _alpha_columns(tally: Tally, cell: Cell, scores: Floats) -> tuple[Column, ...]:
    present = ~np.isnan(scores)
    filled, m = np.where(present, scores, 0.0), present.sum(axis=1)
    total, squares = filled.sum(axis=1), (filled**2).sum(axis=1)
    apart = 2 * (m * squares - total**2) / (m - 1)
    return (
        tally.column(cell, m, 1),
        tally.column(cell, total),
        tally.column(cell, squares),
        tally.column(cell, apart),
    )


def _alpha(values: Floats, total: Floats, squares: Floats, apart: Floats) -> Floats:
    """Compute 1 - observed / expected squared difference of pairable values (Krippendorff 2011)."""
    expected = 2 * (values * squares - total * total)
    expected = np.where(expected > 1e-9 * values, expected, 0)
    return 1 - divided((values - 1) * apart, expected)


def _kappa_columns(tally: Tally, clusters: Clusters, scores: Floats) -> list[tuple[Column, ...]]:
    """Add, for each pair of repeats, the sums of quadratic weights over items that have both."""
    found: list[tuple[Column, ...]] = []
    for i, j in combinations(range(scores.shape[1]), 2):
        cell = tally.cell(~np.isnan(scores[:, i]) & ~np.isnan(scores[:, j]))
        first, second = bins(scores[cell.rows, i]), bins(scores[cell.rows, j])
        values = ((first - second) ** 2, first, second, first**2 + second**2)
        found.append((tally.size(cell), *(tally.column(cell, each, 1) for each in values)))
    return found


def _kappa(sweep: Sweep, pairs: list[tuple[Column, ...]]) -> Interval:
    """Compute 1 - sum w O / sum w E with w = (i - j)^2 (Cohen 1968), mean over pairs of repeats."""

    def mean(*sums: Floats) -> Floats:
        total = np.zeros_like(sums[0])
        for place in range(0, len(sums), 5):
            n, apart, first, second, squares = sums[place : place + 5]
            total = total + 1 - divided(n * apart, n * squares - 2 * first * second)
        return total / (len(sums) // 5)

    return sweep.statistic(mean, *(column for pair in pairs for column in pair))


def _banded(scores: Floats, bands: tuple[float, float]) -> Floats:
    found = band_of(np.nan_to_num(scores), bands).astype(np.float64)
    return np.where(np.isnan(scores), np.nan, found)


def _over_pairs(scores: Floats, measure: Callable[[Floats, Floats], Floats]) -> Floats:
    """Average `measure` over the pairs of repeats that an item has; shape (items,)."""
    total, pairs = np.zeros(len(scores)), np.zeros(len(scores))
    for i, j in combinations(range(scores.shape[1]), 2):
        both = ~np.isnan(scores[:, i]) & ~np.isnan(scores[:, j])
        total[both] += measure(scores[both, i], scores[both, j])
        pairs += both
    return divided(total, pairs)
