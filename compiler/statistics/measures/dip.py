"""The dip: how far a sample is from any distribution with one mode, and how rare that is.

J. A. Hartigan and P. M. Hartigan, "The Dip Test of Unimodality", Annals of Statistics 13 (1985),
70-84. `dip_statistic` follows their description of the computation, `dip_chance` their choice of
the uniform distribution as the null. The chances are simulated: `benchmarks/dip_table.py` writes
`dip_table.json`.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from functools import cache
from pathlib import Path

import msgspec
import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.units import Floats, Ints

# A pass over all points pays while it drops one of so many.
_THIN = 16
# Below so many values the dip is 1/(2n), whatever they are.
_FEWEST = 4
# Quantiles have six decimals.
_LAST_DECIMAL = 1e-6


def dip_statistic(values: npt.ArrayLike) -> float:
    """Greatest distance of the empirical distribution to the nearest unimodal one; `values` (n,).

    At least 1/(2n), also for equal values: those are taken as if they lay side by side, infinitely
    close. At most 1/4. NaN for no values.

    A modal interval narrows. In it, G is the greatest convex minorant of the distribution F, L the
    least concave majorant, and d the widest gap between them, which is at a corner of one of them.
    The next interval goes from the last corner of G up to that place to the first corner of L from
    that place on. Left of it G must do for F, and right of it L; D is the most by which they have
    failed so far. When d is no more than D, the dip is D/2.

    Raises:
        ValueError: a value is NaN or infinite.
    """
    x = np.sort(np.asarray(values, dtype=np.float64))
    n = len(x)
    if not n:
        return float("nan")
    if not np.isfinite(x).all():
        raise ValueError("values that are not finite have no dip")
    # In counts: F jumps from i to i + 1 at x[i]. G runs below the jumps, L above them.
    low, high, failed = 0, n - 1, 1.0
    while True:
        inside = x[low : high + 1]
        convex, concave = _corners(inside, 1), _corners(inside, -1)
        minorant, majorant = _heights(inside, convex), _heights(inside, concave) + 1
        gaps = majorant - minorant
        # The first of equal gaps, and L's before G's.
        place = int(concave[np.argmax(gaps[concave])])
        other = int(convex[np.argmax(gaps[convex])])
        if gaps[other] > gaps[place]:
            place = other
        if gaps[place] <= failed:
            return failed / (2 * n)
        left = int(convex[np.searchsorted(convex, place, side="right") - 1])
        right = int(concave[np.searchsorted(concave, place, side="left")])
        below = np.arange(len(inside))
        failed = max(
            failed,
            float((below + 1 - minorant)[: left + 1].max()),
            float((majorant - below)[right:].max()),
        )
        low, high = low + left, low + right


def _corners(x: Floats, sign: int) -> Ints:
    """Places of the corners of the lower (sign 1) or upper (sign -1) hull of the points (x[i], i).

    A point at which the chain does not turn outwards is no corner. All such points go at once, as
    long as that thins the chain well; then one by one from the left, looking back after each (the
    monotone chain of A. M. Andrew, 1979).
    """
    places = np.arange(len(x), dtype=np.int64)
    gone = len(x)
    while gone * _THIN > len(places):
        wide, tall = np.diff(x[places]), np.diff(places)
        keep = np.ones(len(places), dtype=np.bool_)
        keep[1:-1] = (tall[1:] * wide[:-1] - tall[:-1] * wide[1:]) * sign > 0
        gone = int(np.count_nonzero(~keep))
        places = places[keep]
    if not gone:
        return places
    kept: list[tuple[int, float]] = []
    for point in zip(places.tolist(), x[places].tolist(), strict=True):
        while len(kept) > 1 and _turn(kept[-2], kept[-1], point) * sign <= 0:
            kept.pop()
        kept.append(point)
    return np.asarray([place for place, _ in kept], dtype=np.int64)


def _turn(a: tuple[int, float], b: tuple[int, float], c: tuple[int, float]) -> float:
    """Above 0 when the way over three points (height, x) turns upwards at the middle one."""
    return (c[0] - b[0]) * (b[1] - a[1]) - (b[0] - a[0]) * (c[1] - b[1])


def _heights(x: Floats, corners: Ints) -> Floats:
    """Height of a hull over each of `x`; that of the place itself where an edge is upright."""
    rises, widths = np.diff(corners), np.diff(x[corners])
    edge = np.repeat(np.arange(len(rises)), rises)
    places = np.arange(len(edge))
    start, width, rise = corners[edge], widths[edge], rises[edge]
    # Each step is rounded by itself: a fused product and sum would differ between processors.
    share = np.divide(x[:-1] - x[start], width, out=(places - start) / rise, where=width > 0)
    return np.append(start + share * rise, np.float64(len(x) - 1))


class _Table(msgspec.Struct, frozen=True):
    """What uniform samples give: for each size, which sqrt(n) * dip is reached by which chance."""

    simulations: int
    # Falling, from 1.
    chances: tuple[float, ...]
    # Rising.
    sizes: tuple[int, ...]
    quantiles: tuple[tuple[float, ...], ...]

    def row(self, n: int) -> list[float]:
        """The quantiles for samples of n >= 4, linear in 1/sqrt(n); above the largest, its own.

        So interpolated, the least possible sqrt(n) * dip, 1/(2 sqrt(n)), is met exactly.
        """
        place = bisect_right(self.sizes, n)
        if place == len(self.sizes):
            return list(self.quantiles[-1])
        start, end, here = (1 / math.sqrt(each) for each in (*self.sizes[place - 1 : place + 1], n))
        share = (here - start) / (end - start)
        pairs = zip(self.quantiles[place - 1], self.quantiles[place], strict=True)
        return [first + share * (then - first) for first, then in pairs]


@cache
def _table() -> _Table:
    data = Path(__file__).with_name("dip_table.json").read_bytes()
    return msgspec.json.decode(data, type=_Table)


def dip_chance(statistic: float, n: int) -> float:
    """Chance of a uniform sample of n values to have a dip of `statistic` or more.

    Linear between tabulated quantiles. Never below 1 / (simulations + 1), which is what a dip
    larger than all simulated ones gets. 1 for n under 4.
    """
    if n < _FEWEST:
        return 1.0
    table = _table()
    row, reached = table.row(n), math.sqrt(n) * statistic
    if reached <= row[0] + _LAST_DECIMAL:
        return 1.0
    place = bisect_right(row, reached)
    if place == len(row):
        return 1 / (table.simulations + 1)
    first, then = table.chances[place - 1 : place + 1]
    return first + (reached - row[place - 1]) / (row[place] - row[place - 1]) * (then - first)
