"""Estimates with 95% intervals: percentiles of resampled values, and Wilson's for proportions."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from compiler.statistics.measures.units import Floats, rounded

# Domain rule: a cell of fewer documents has a value and no interval.
MIN_DOCUMENTS = 30
# The 97.5th percentile of the standard normal.
Z = 1.959963984540054
# With a larger share of undefined resamples, percentiles of the others would be biased.
_MAX_UNDEFINED = 0.05


class Interval(Struct, frozen=True):
    """One estimate with its 95% interval.

    `value`: of all rows; None where it is undefined (no row, or a division by 0). `low`, `high`:
    the bounds; None when there are fewer than 30 documents, or when the estimate is undefined in
    more than 5% of the resamples. `n`: rows; `documents`: distinct documents.
    """

    value: float | None
    low: float | None
    high: float | None
    n: int
    documents: int


def percentile(value: float, draws: Floats, n: int, documents: int) -> Interval:
    """Compute the percentile interval (Efron and Tibshirani 1993, 13.3) of B resampled values.

    The bounds are the ceil(.025 B)-th and ceil(.975 B)-th smallest of the defined draws: members of
    the sample, without interpolation, whose rounding could differ between versions of numpy.
    """
    point = rounded(value)
    defined = np.sort(draws[np.isfinite(draws)])
    few = documents < MIN_DOCUMENTS or len(defined) < (1 - _MAX_UNDEFINED) * len(draws)
    if point is None or few or not len(defined):
        return Interval(point, None, None, n, documents)
    # In whole thousandths, as .025 and .975 are not binary fractions.
    first, last = -(-25 * len(defined) // 1000), -(-975 * len(defined) // 1000)
    return Interval(point, rounded(defined[first - 1]), rounded(defined[last - 1]), n, documents)


def wilson(k: int, n: int) -> Interval:
    """Compute Wilson's (1927) 95% score interval of a proportion, `k` of `n` independent trials.

    Probes of one document are not independent, so `n` counts documents. All None when n is 0.
    """
    if n == 0:
        return Interval(None, None, None, 0, 0)
    share, square = k / n, Z * Z
    centre = (share + square / (2 * n)) / (1 + square / n)
    half = Z / (1 + square / n) * (share * (1 - share) / n + square / (4 * n * n)) ** 0.5
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Interval(rounded(share), rounded(low), rounded(high), n, n)
