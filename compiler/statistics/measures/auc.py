"""Area under the ROC curve, with a standard error clustered by document."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval, Z
from compiler.statistics.measures.units import Floats, Ints, rounded


def clustered_auc(
    positive: npt.ArrayLike, negative: npt.ArrayLike, of_positive: Ints, of_negative: Ints
) -> Interval:
    """Estimate P(a positive scores above a negative), ties half, with a 95% interval.

    `positive` (m,), `negative` (n,): scores in any unit; `of_positive`, `of_negative`: their
    documents, as codes from 0 shared by both. The value is the rank formula (Mann and Whitney
    1947). The variance is DeLong's (1988) with components summed per document (Obuchowski 1997):
    I/(I-1) sum over I documents of (sum (V10 - A)/m + sum (V01 - A)/n)^2. The interval is normal,
    cut to [0, 1]. All None without a positive or a negative; no interval below 30 documents. `n` of
    the result counts positives and negatives.
    """
    above, below = np.asarray(positive), np.asarray(negative)
    m, n = len(above), len(below)
    codes = np.unique(np.concatenate([of_positive, of_negative])) if m + n else np.empty(0)
    documents = len(codes)
    if not m or not n:
        return Interval(None, None, None, m + n, documents)
    # Counted in halves: a tie is then a whole number, and sums are exact.
    wins, losses = _half_wins(above, below), _half_wins(below, above)
    value = float(wins.sum()) / (2 * m * n)
    size = int(codes.max()) + 1
    own = np.bincount(of_positive, weights=wins / 1.0, minlength=size) / (2 * n)
    other = np.bincount(of_negative, weights=2.0 * m - losses, minlength=size) / (2 * m)
    part = (own - value * np.bincount(of_positive, minlength=size)) / m
    part += (other - value * np.bincount(of_negative, minlength=size)) / n
    if documents < MIN_DOCUMENTS:
        return Interval(rounded(value), None, None, m + n, documents)
    error = (documents / (documents - 1) * float((part * part).sum())) ** 0.5
    low, high = max(0.0, value - Z * error), min(1.0, value + Z * error)
    return Interval(rounded(value), rounded(low), rounded(high), m + n, documents)


def _half_wins(scores: npt.NDArray[np.generic], others: npt.NDArray[np.generic]) -> Floats:
    """Return twice the number of `others` below each score, plus the number equal to it."""
    ordered = np.sort(others)
    below = np.searchsorted(ordered, scores, side="left")
    upto = np.searchsorted(ordered, scores, side="right")
    return (below + upto).astype(np.float64)
