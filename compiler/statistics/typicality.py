"""Agreement of the generator's typicality labels with the other siblings of the document."""

from __future__ import annotations

import numpy as np
from msgspec import Struct

from compiler.statistics.measures.agreement import cohen
from compiler.statistics.observations import Observations


class TypicalityStats(Struct, frozen=True):
    """Contingency table of the generator's typicality labels and the mechanical ones.

    The mechanical label is typical when at least min(3, n) of the n other usable siblings hold the
    atom's content (`sibling_support`). `only_label`: rows that only the generator calls typical;
    `only_mechanical`: rows that only the siblings make typical. `kappa`: Cohen's (1960); None when
    either labelling has one value only.
    """

    both_typical: int
    only_label: int
    only_mechanical: int
    both_atypical: int
    kappa: float | None


def typicality(rows: Observations) -> TypicalityStats:
    """Count the rows with a label, a sibling support, and at least two other siblings."""
    known = (rows.typicality != "") & (rows.support >= 0) & (rows.others >= 2)
    label = rows.typicality[known] == "typical"
    mechanical = rows.support[known] >= np.minimum(3, rows.others[known])
    a = int((label & mechanical).sum())
    b = int((label & ~mechanical).sum())
    c = int((~label & mechanical).sum())
    d = int((~label & ~mechanical).sum())
    return TypicalityStats(a, b, c, d, cohen(a, b, c, d))
