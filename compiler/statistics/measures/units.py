"""Whole units for sums, six decimals for reported values."""

from __future__ import annotations

import math
from typing import SupportsFloat

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]

# A score is counted in millionths. A float64 holds every whole number below 2**53, so a sum of them
# is exact in any order, also in a BLAS, which chooses its own blocks, fused operations and threads.
SCALE = 1_000_000
EXACT_BELOW = 2**53
DECIMALS = 6


def scaled(values: npt.ArrayLike, scale: int = SCALE) -> Floats:
    """Convert `values` to whole units of 1/`scale`: same shape, float64 that holds integers.

    Raises:
        ValueError: a value is NaN or infinite; missing values must be left out before.
    """
    found = np.rint(np.asarray(values, dtype=np.float64) * scale)
    if not np.isfinite(found).all():
        raise ValueError("a value that is not finite cannot be summed")
    return found


def rounded(value: SupportsFloat) -> float | None:
    """Round a reported value to six decimals, without negative zero; None if it is not finite."""
    number = float(value)
    if not math.isfinite(number):
        return None
    return round(number, DECIMALS) + 0.0


def divided(numerator: npt.ArrayLike, denominator: npt.ArrayLike) -> Floats:
    """Divide elementwise; NaN, without a warning, where the denominator is 0."""
    top, bottom = np.broadcast_arrays(
        np.asarray(numerator, dtype=np.float64), np.asarray(denominator, dtype=np.float64)
    )
    out = np.full(top.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def whole(values: npt.ArrayLike, scale: int = SCALE) -> list[int]:
    """Convert `values`, flattened, to Python integers of 1/`scale`, whose products stay exact."""
    return [int(each) for each in scaled(values, scale).ravel().tolist()]
