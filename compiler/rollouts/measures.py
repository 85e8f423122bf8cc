"""Measurements of a continuation that every published row has."""

from __future__ import annotations

import zlib
from typing import NamedTuple

from compiler.rollouts import loops

# Tokens of the window of `worst60`.
_WORST = 60
_DECIMALS = 6


class Measures(NamedTuple):
    """Measures of repetition, to six decimals."""

    coverage4: float
    worst60: float
    zlib_ratio: float


def measured(text: str) -> Measures:
    """Measure the repetition in a text."""
    data = text.encode("utf-8")
    # Loops compress well.
    ratio = len(zlib.compress(data, 9)) / len(data) if data else 1.0
    found = (loops.coverage(text), loops.worst(text, _WORST), ratio)
    return Measures(*(round(each, _DECIMALS) for each in found))
