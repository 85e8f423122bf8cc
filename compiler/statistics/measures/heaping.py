"""Heaping: the concentration of scores on few values that a judge prefers."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.units import SCALE, rounded, scaled

TOP = 5
_ANCHORS = (0, SCALE // 2, SCALE)


class Heap(Struct, frozen=True):
    """One value and its share of all scores."""

    value: float | None
    share: float | None


class Heaping(Struct, frozen=True):
    """Preferred values of `n` scores.

    `distinct`: number of different values; `top`: the five commonest, the lower first among equally
    common ones; `anchors`: share of scores on 0, 0.5 or 1, the numbers that a rubric names; None
    without scores.
    """

    n: int
    distinct: int
    top: tuple[Heap, ...]
    anchors: float | None


def heaping(values: npt.ArrayLike) -> Heaping:
    """Count the values of scores (any shape), compared in millionths."""
    found, counts = np.unique(scaled(values), return_counts=True)
    n = int(counts.sum())
    if n == 0:
        return Heaping(0, 0, (), None)
    order = np.lexsort((found, -counts))[:TOP]
    top = tuple(Heap(rounded(found[i] / SCALE), rounded(counts[i] / n)) for i in order)
    anchored = int(counts[np.isin(found, _ANCHORS)].sum())
    return Heaping(n, len(found), top, rounded(anchored / n))
