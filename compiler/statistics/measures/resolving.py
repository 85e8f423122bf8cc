"""Re-solve rate of rows that no try has solved: the winner's curse of the HARD filter.

Success counts k of n tries per row are fitted by a beta-binomial in its mean and intraclass
correlation (Griffiths 1973): rate = a / (a + b), correlation = 1 / (a + b + 1). Its likelihood is a
product of n factors per row, so the number of rows with each count suffices, without gamma
functions. At a correlation of 0 it is the binomial, for which a and b are infinite.
"""

from __future__ import annotations

from math import comb

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.clusters import Cell, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.units import Flags, Floats, divided, rounded

MAX_TRIES = 64
# At a correlation of 1 every row has 0 or n successes and the likelihood has its pole.
_MAX_CORRELATION = 1 - 1e-6
_GRID = (0.0, 0.005, 0.02, *(0.05 * step for step in range(1, 20)), 0.98, 0.999, _MAX_CORRELATION)
_HALVINGS = 36
_NEWTON = 60
_TOLERANCE = 1e-9
_ZERO = 1e-9
# Newton's method may move this far from the best point of the grid, whose steps are at most .05.
_STRETCH = 0.05


class BetaBinomial(Struct, frozen=True):
    """A fit to the success counts of `rows` rows of `n` tries.

    `rate`, `correlation`: mean success rate and intraclass correlation; `a`, `b`: parameters of the
    Beta distribution. `edge`: "" for a fit inside the parameter space; "no_success", "all_success"
    (the correlation is not identified: None, as are a and b); "binomial" (correlation 0: no more
    variance than by chance; a and b are infinite: None); "two_point" (all tries of a row succeed or
    none: a and b at their lower bound). `observed`, `fitted`: shares of rows with 0..n successes,
    in the data and under the fit.
    """

    n: int
    rows: int
    rate: float | None
    correlation: float | None
    a: float | None
    b: float | None
    edge: str
    observed: tuple[float | None, ...]
    fitted: tuple[float | None, ...]


def upper_bound(n: int) -> float | None:
    """Return the 95% upper bound on a success rate after 0 of `n`: p with (1 - p)^n = .05."""
    return rounded(1 - 0.05 ** (1 / n))


def fit(counts: npt.ArrayLike) -> BetaBinomial:
    """Fit by maximum likelihood the numbers of rows with 0..n successes, shape (n + 1,).

    Raises:
        ValueError: n is below 2 (rate and correlation cannot be distinguished) or above 64, or
            there is no row.
    """
    table = np.asarray(counts, dtype=np.float64).reshape(1, -1)
    n, rows = table.shape[1] - 1, int(table.sum())
    if rows == 0:
        raise ValueError("a fit needs at least one row")
    rate, correlation = (float(each[0]) for each in _maximum(table))
    observed = tuple(rounded(each / rows) for each in table[0])
    if rate in (0.0, 1.0):
        edge = "all_success" if rate else "no_success"
        return BetaBinomial(n, rows, rate, None, None, None, edge, observed, observed)
    fitted = tuple(rounded(each) for each in _shares(rate, correlation, n))
    if correlation == 0:
        return BetaBinomial(n, rows, rounded(rate), 0.0, None, None, "binomial", observed, fitted)
    size = (1 - correlation) / correlation
    return BetaBinomial(
        n,
        rows,
        rounded(rate),
        rounded(correlation),
        rounded(rate * size),
        rounded((1 - rate) * size),
        "two_point" if correlation >= _MAX_CORRELATION - _ZERO else "",
        observed,
        fitted,
    )


def fresh_rate(rate: Floats, correlation: Floats, seen: int, fresh: int) -> Floats:
    """Compute P(at least 1 success in `fresh` tries | 0 in `seen`) = 1 - B(a, b+s+f)/B(a, b+s).

    Elementwise. The ratio of Beta functions is the product of (b + i)/(a + b + i) for
    i = s .. s + f - 1; numerator and denominator are multiplied by the correlation, so that a
    correlation of 0 needs no special case.
    """
    kept = np.ones_like(rate)
    for i in range(seen, seen + fresh):
        kept = kept * divided(
            (1 - rate) * (1 - correlation) + i * correlation, (1 - correlation) + i * correlation
        )
    return 1 - kept


def count_columns(tally: Tally, cell: Cell, successes: npt.ArrayLike, n: int) -> tuple[Column, ...]:
    """Add the count table: for k = 0..n, a column of flags of rows with k of `n` successes.

    Raises:
        ValueError: a count is outside 0..n.
    """
    found = np.asarray(successes)
    if len(found) and not (found.min() >= 0 and found.max() <= n):
        raise ValueError(f"a success count is outside 0..{n}")
    return tuple(tally.flags(cell, found == k) for k in range(n + 1))


def resolve_rate(sweep: Sweep, columns: tuple[Column, ...], fresh: int) -> Interval:
    """Estimate the share of rows with 0 of n successes that `fresh` new tries would solve.

    `columns`: from `count_columns`. The interval resamples documents and fits each resample. The
    value is None when every try of every row succeeded, or there is no row.
    """
    n = len(columns) - 1

    def expected(*sums: Floats) -> Floats:
        counts = np.stack(sums, axis=1)
        found = np.full(len(counts), np.nan)
        some = counts[:, :n].sum(axis=1) > 0
        if some.any():
            found[some] = fresh_rate(*_maximum(counts[some]), n, fresh)
        return found

    return sweep.statistic(expected, *columns)


def held_out_rate(sweep: Sweep, columns: tuple[Column, ...], selected: int) -> Interval:
    """Estimate the re-solve rate without a model: select on some tries, evaluate on the others.

    Over all ways to select s = `selected` of the n tries: of the rows without a success among the
    selected tries, the share with a success among the n - s others. A row of k successes is
    selected with weight C(n-k, s)/C(n, s); it is never solved if k = 0.

    Raises:
        ValueError: `selected` is not in 1..n-1.
    """
    n = len(columns) - 1
    if not 0 < selected < n:
        raise ValueError(f"1 to {n - 1} of {n} tries can be selected, not {selected}")

    def share(*sums: Floats) -> Floats:
        chosen = np.zeros_like(sums[0])
        for k in range(n - selected + 1):
            chosen = chosen + sums[k] * (comb(n - k, selected) / comb(n, selected))
        return 1 - divided(sums[0], chosen)

    return sweep.statistic(share, *columns)


def _maximum(counts: Floats) -> tuple[Floats, Floats]:
    """Find the most likely rate and correlation of each table of `counts` (m, n + 1).

    The mean table is searched, and Newton's method starts from its maximum for the others; those
    for which it does not converge inside the parameter space are searched too.
    """
    n = counts.shape[1] - 1
    if not 2 <= n <= MAX_TRIES:
        raise ValueError(f"a beta-binomial needs 2 to {MAX_TRIES} tries a row, not {n}")
    mean = _searched(_Tables.of(counts.mean(axis=0, keepdims=True)))
    rate, correlation = (np.repeat(each, len(counts), axis=0) for each in mean)
    if len(counts) > 1:
        rate, correlation, settled = _Tables.of(counts).climbed(rate, correlation)
        left = ~settled[:, 0]
        if left.any():
            rate[left], correlation[left] = _searched(_Tables.of(counts[left]))
    return rate[:, 0], correlation[:, 0]


def _searched(tables: _Tables) -> tuple[Floats, Floats]:
    """Find the maximum by profile likelihood, shapes (m, 1).

    For each correlation the log-likelihood is concave in the rate, so the best rate is a root. The
    highest point of a grid of correlations is refined by Newton's method, and by bisection where
    that fails; at an end of the grid, the sign of the slope decides if the end is the maximum.
    """
    grid = np.asarray(_GRID)[None, :]
    rates = tables.rate(grid)
    best = np.argmax(tables.height(rates, grid), axis=1)[:, None]
    correlation, rate = grid[0, best], np.take_along_axis(rates, best, axis=1)
    slope = tables.slope(rate, correlation)
    end = ((best == 0) & (slope <= 0)) | ((best == len(_GRID) - 1) & (slope >= 0))
    climbed, moved, settled = tables.climbed(rate, correlation)
    settled &= ~end & (np.abs(moved - correlation) < _STRETCH)
    rate, correlation = np.where(settled, climbed, rate), np.where(settled, moved, correlation)
    left = ~(settled | end)[:, 0]
    if left.any():
        low = grid[0, np.maximum(best[left] - 1, 0)]
        high = grid[0, np.minimum(best[left] + 1, len(_GRID) - 1)]
        rate[left], correlation[left] = tables.some(left).halved(low, high)
    return rate, correlation


class _Tables(Struct, frozen=True):
    """Exceedance counts of m tables, the exponents of the n factors of the likelihood.

    `above[i]`: rows with more than i successes; `below[i]`: rows with more than i failures; `rows`:
    all rows. Shapes (n, m, 1) and (m, 1), to broadcast with a row of correlations.
    """

    above: Floats
    below: Floats
    rows: Floats

    @classmethod
    def of(cls, counts: Floats) -> _Tables:
        """Count exceedances from the numbers of rows with 0..n successes, shape (m, n + 1)."""
        above = np.cumsum(counts[:, ::-1], axis=1)[:, ::-1][:, 1:].T[:, :, None]
        below = np.cumsum(counts, axis=1)[:, :-1][:, ::-1].T[:, :, None]
        return cls(above, below, counts.sum(axis=1)[:, None])

    def some(self, rows: Flags) -> _Tables:
        """Return the tables where `rows` (m,) is true."""
        return _Tables(self.above[:, rows], self.below[:, rows], self.rows[rows])

    def halved(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Find by bisection where the profile's slope turns negative between two correlations.

        Shapes (m, 1). Returns rate and correlation.
        """
        rate = self.rate(low)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            rate = self.rate(middle, rate)
            rising = self.slope(rate, middle) > 0
            low, high = np.where(rising, middle, low), np.where(rising, high, middle)
        correlation = (low + high) / 2
        correlation = np.where(correlation < _ZERO, 0.0, correlation)
        return self.rate(correlation, rate), correlation

    def climbed(self, rate: Floats, correlation: Floats) -> tuple[Floats, Floats, Flags]:
        """Run Newton's method from starts of shape (m, 1).

        Returns rate, correlation, and whether each converged to a maximum inside the space.
        """
        settled = np.zeros(rate.shape, dtype=bool)
        inside = (rate > 0) & (rate < 1) & (correlation > _ZERO)
        # A start on the border has poles; it is moved inside and never counts as converged.
        border = ~inside
        rate = np.where(border, 0.5, rate)
        correlation = np.where(border, 0.5, correlation)
        for _ in range(_NEWTON):
            free = 1 - correlation
            up, across = np.zeros(rate.shape), np.zeros(rate.shape)
            bend, cross, fold = np.zeros(rate.shape), np.zeros(rate.shape), np.zeros(rate.shape)
            for i in range(len(self.above)):
                success, failure = (
                    rate * free + i * correlation,
                    (1 - rate) * free + i * correlation,
                )
                size = free + i * correlation
                won, lost = self.above[i] / success, self.below[i] / failure
                won2, lost2 = won / success, lost / failure
                ahead, behind = i - rate, i - 1 + rate
                up += free * (won - lost)
                across += won * ahead + lost * behind - self.rows * (i - 1) / size
                bend -= free * free * (won2 + lost2)
                cross -= won + free * ahead * won2 - lost - free * behind * lost2
                fold -= won2 * ahead**2 + lost2 * behind**2 - self.rows * ((i - 1) / size) ** 2
            determinant = bend * fold - cross * cross
            peak = determinant > 0
            step = divided(cross * across - fold * up, np.where(peak, determinant, 0))
            slide = divided(cross * up - bend * across, np.where(peak, determinant, 0))
            inside = peak & ~border & (rate + step > 0) & (rate + step < 1)
            inside &= (correlation + slide > _ZERO) & (
                correlation + slide < _MAX_CORRELATION - _ZERO
            )
            # A step out of the parameter space is not taken, and its table is not converged.
            rate = np.where(inside, rate + step, rate)
            correlation = np.where(inside, correlation + slide, correlation)
            settled = inside & (np.maximum(np.abs(step), np.abs(slide)) < _TOLERANCE)
            if (settled | ~inside).all():
                break
        return rate, correlation, settled

    def rate(self, correlation: Floats, start: Floats | None = None) -> Floats:
        """Find the best rate at each correlation: the root of a decreasing slope.

        Newton's method in a bracket, from `start` or the mean rate.
        """
        shape = np.broadcast_shapes(self.rows.shape, correlation.shape)
        low, high = np.zeros(shape), np.ones(shape)
        mean = self.above.sum(axis=0) / (self.rows * len(self.above))
        found = np.broadcast_to(mean if start is None else start, shape).copy()
        none, every = self.above[0] == 0, self.below[0] == 0
        # Without a success or without a failure the root is at the border.
        found = np.where(none | every, 0.5, found)
        for _ in range(_NEWTON):
            slope, bend = np.zeros(shape), np.zeros(shape)
            for i in range(len(self.above)):
                success = self.above[i] / (found * (1 - correlation) + i * correlation)
                failure = self.below[i] / ((1 - found) * (1 - correlation) + i * correlation)
                slope += success - failure
                bend -= success / (found * (1 - correlation) + i * correlation)
                bend -= failure / ((1 - found) * (1 - correlation) + i * correlation)
            low, high = np.where(slope > 0, found, low), np.where(slope > 0, high, found)
            step = found - divided(slope, bend * (1 - correlation))
            new = np.where((step > low) & (step < high), step, (low + high) / 2)
            moved = np.abs(new - found)
            found = np.where(none | every, found, new)
            if float(np.where(none | every, 0.0, moved).max()) < _TOLERANCE:
                break
        return np.where(none, 0.0, np.where(every, 1.0, found))

    def height(self, rate: Floats, correlation: Floats) -> Floats:
        """Compute the log-likelihood, up to a constant."""
        total = np.zeros(np.broadcast_shapes(rate.shape, correlation.shape))
        for i in range(len(self.above)):
            success = rate * (1 - correlation) + i * correlation
            failure = (1 - rate) * (1 - correlation) + i * correlation
            total += self.above[i] * np.log(np.where(self.above[i] > 0, success, 1.0))
            total += self.below[i] * np.log(np.where(self.below[i] > 0, failure, 1.0))
            total -= self.rows * np.log((1 - correlation) + i * correlation)
        return total

    def slope(self, rate: Floats, correlation: Floats) -> Floats:
        """Differentiate the profile log-likelihood in the correlation (envelope theorem)."""
        total = np.zeros(np.broadcast_shapes(rate.shape, correlation.shape))
        for i in range(len(self.above)):
            success = rate * (1 - correlation) + i * correlation
            failure = (1 - rate) * (1 - correlation) + i * correlation
            total += np.where(self.above[i] > 0, self.above[i] * divided(i - rate, success), 0.0)
            total += np.where(
                self.below[i] > 0, self.below[i] * divided(i - 1 + rate, failure), 0.0
            )
            total -= self.rows * (i - 1) / ((1 - correlation) + i * correlation)
        return total


def _shares(rate: float, correlation: float, n: int) -> list[float]:
    """Compute P(k of n successes) for k = 0..n under the fit."""
    scale = 1.0
    for i in range(n):
        scale *= (1 - correlation) + i * correlation
    found = []
    for k in range(n + 1):
        share = comb(n, k) / scale
        for i in range(k):
            share *= rate * (1 - correlation) + i * correlation
        for i in range(n - k):
            share *= (1 - rate) * (1 - correlation) + i * correlation
        found.append(share)
    return found
