"""Scores of rollouts free of the selection that they made.

HARD is selected by the maximum of K noisy scores, so that the same scores understate the reader
that gave them. Cross-fitting selects by the other rollouts: rollout j of row i counts where the
maximum of its row without j would select the row. Its expectation is that of a new rollout in a
selection by K - 1 scores.
"""

from __future__ import annotations

import numpy as np

from compiler.statistics.measures.units import Floats


def crossfit(scores: Floats, low: float, high: float) -> tuple[Floats, Floats]:
    """Return the weight of each row and its weighted sum of scores, both of shape (n,).

    `scores` (n, K), padded with NaN; a row is selected when its maximum is in [`low`, `high`). The
    weight is the share of its rollouts that others select. Rows with one rollout have weight 0.
    """
    present = ~np.isnan(scores)
    counts = present.sum(axis=1)
    filled = np.where(present, scores, -np.inf)
    weight, total = np.zeros(len(scores)), np.zeros(len(scores))
    for place in range(scores.shape[1]):
        others = np.delete(filled, place, axis=1)
        best = others.max(axis=1, initial=-np.inf)
        chosen = present[:, place] & (counts > 1) & (best >= low) & (best < high)
        weight += chosen
        total += np.where(chosen, np.where(present[:, place], scores[:, place], 0.0), 0.0)
    return weight / np.maximum(counts, 1), total / np.maximum(counts, 1)
