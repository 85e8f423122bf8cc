"""Several comparisons at once: p-values of resampled differences, Holm's adjustment, and ranks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from compiler.statistics.measures.units import Floats, rounded


def two_sided(draws: Floats) -> float | None:
    """Compute the two-sided p-value of a difference from its resampled values (B,).

    Twice the smaller share of draws at or beyond 0, each with one draw added (Davison and Hinkley
    1997, 4.2), so that it is never 0; None without draws.
    """
    defined = draws[np.isfinite(draws)]
    if not len(defined):
        return None
    below, above = int((defined <= 0).sum()), int((defined >= 0).sum())
    return rounded(min(1.0, 2 * (1 + min(below, above)) / (len(defined) + 1)))


def holm(values: Sequence[float]) -> list[float]:
    """Adjust p-values for their number (Holm 1979), in the given order."""
    order = sorted(range(len(values)), key=lambda place: values[place])
    found, highest = [0.0] * len(values), 0.0
    for number, place in enumerate(order):
        highest = max(highest, min(1.0, (len(values) - number) * values[place]))
        found[place] = highest
    return found


def rank(place: int, values: Sequence[Floats]) -> Floats:
    """Return the rank of one of several quantities, 1 for the largest; ties share the best rank.

    `values`: arrays of one shape.
    """
    own = values[place]
    found = np.ones_like(own)
    for each in values:
        found = found + (each > own)
    return found
