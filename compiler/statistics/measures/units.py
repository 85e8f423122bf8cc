"""Whole units for what is summed, six decimals for what is told."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# A score is counted in millionths. Below 2**53 a float64 holds every whole number, so a sum of
# them is exact in any order, also inside a BLAS that blocks, fuses and threads as it likes.
SCALE = 1_000_000
EXACT_BELOW = 2**53
DECIMALS = 6


def scaled(values: npt.ArrayLike, scale: int = SCALE) -> Floats:
    """`values` in whole units of 1/`scale`, same shape, float64 that holds integers.

    Raises:
        ValueError: a value is NaN or infinite; what was not measured must be left out before.
    """
    found = np.rint(np.asarray(values, dtype=np.float64) * scale)
    if not np.isfinite(found).all():
        raise ValueError("a value that is not finite cannot be summed")
    return found


def rounded(value: SupportsFloat) -> float | None:
    """The one way out: six decimals, no negative zero, None for NaN and infinities."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return round(number, DECIMALS) + 0.0


def divided(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Elementwise quotient; NaN, without a warning, where the denominator is 0."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def whole(values: npt.ArrayLike, scale: int = SCALE) -> list[int]:
    """`values` (flattened) as Python integers of 1/`scale`: products and squares stay exact."""
    return [int(each) for each in scaled(values, scale).ravel().tolist()]
