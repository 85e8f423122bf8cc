"""The contrastive win: the true answer against the plausible wrong one, by log probabilities.

Normalisation changes the winner, so that it is fixed before scoring and part of the metric's name.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np

from compiler.statistics.measures.units import divided
from compiler.statistics.observations import Bools, Floats, Ints

Normalisation = Literal["sum", "token", "byte", "pmi"]
NORMALISATIONS: tuple[Normalisation, ...] = ("sum", "token", "byte", "pmi")


def metric(name: Normalisation) -> str:
    """Return the name of the metric."""
    return f"win_{name}"


def wins(own: Sums, other: Sums | None, first: Bools, sizes: Ints) -> dict[str, Floats]:
    """Compute the win of every probe under every normalisation, on average over samples.

    A win is 1 if the truth has the higher normalised log probability, 1/2 if both are equal; NaN
    without log probabilities. `sum` of tokens; `token`: over the number of tokens; `byte`: over the
    bytes in UTF-8, `sizes` (n, 2) of truth and alternative; `pmi`: less the mean under the method's
    shuffled control, `other`. `first` (n,): the truth is the first choice.
    """
    truth, false = own.ordered(first)
    bytes_of = sizes[own.probes].T
    difference = truth[0] - false[0]
    found = {
        "sum": difference,
        "token": truth[0] / truth[1] - false[0] / false[1],
        "byte": truth[0] / bytes_of[0] - false[0] / bytes_of[1],
    }
    if other is not None:
        chosen, rest = other.ordered(first)
        found["pmi"] = difference - other.means(chosen[0] - rest[0], len(first))[own.probes]
    return {f"win_{name}": own.means(_won(each), len(first)) for name, each in found.items()}


def _won(difference: Floats) -> Floats:
    return np.where(np.isnan(difference), np.nan, (difference > 0) + 0.5 * (difference == 0))


@dataclass(frozen=True)
class Sums:
    """Predictions with log probabilities. `probes` (m,): places of their probes.

    `sums` (4, m): of the first choice sum and number of its tokens' values, then of the second.
    """

    probes: Ints
    sums: Floats

    def ordered(self, first: Bools) -> tuple[Floats, Floats]:
        """Return sum and number for the truth and for the alternative, each (2, m)."""
        swapped = ~first[self.probes]
        one, two = self.sums[:2], self.sums[2:]
        return np.where(swapped, two, one), np.where(swapped, one, two)

    def means(self, values: Floats, count: int) -> Floats:
        """Average values over the predictions of each of `count` probes; NaN without any."""
        sums = np.bincount(self.probes, values, minlength=count)
        return divided(sums, np.bincount(self.probes, minlength=count))
