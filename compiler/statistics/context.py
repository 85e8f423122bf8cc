"""Context-aware choice rate: held-out documents pick the atom or its alternative in its place.

The rule prefers the text that more held-out documents attest next to the neighbouring tokens. A
rate above chance shows that text statistics alone can pick the atom, without a latent.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from msgspec import Struct

from compiler.statistics.measures.choice import won
from compiler.statistics.measures.clusters import Clusters
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import Bools, Observations

STRATA = ((1, 1), (2, 4), (5, 15), (16, 63))
_MIN_DECIDED = 20
_MAX_RATE = 0.6


class ContextStats(Struct, frozen=True):
    """Pairs of one scope and target, in one group of a dimension.

    `dimension`: "" for all pairs of the cell, "split" (its kind), "distance" (stratum of the
    index), "level" (of the search for an alternative) or "origin" (of the atom). `rows`: templated
    rows of the group; `tested`: rows with counts of held-out documents; `decided`: rows whose
    counts differ; `rate`: share of decided rows whose atom is attested more often, .5 by chance.
    """

    scope: str
    target: str
    dimension: str
    group: str
    rows: int
    tested: int
    decided: int
    rate: Interval


def contexts(rows: Observations, scopes: Sequence[str]) -> tuple[ContextStats, ...]:
    """Compute the choice rate of every cell of templated rows, and of its groups."""
    found = []
    for scope in scopes:
        for target in ("prefix", "suffix"):
            cell = (rows.scopes == scope) & (rows.targets == target) & (rows.levels >= 0)
            if not cell.any():
                continue
            found.append(_group(rows, cell, (scope, target, "", "")))
            for dimension, groups in _DIMENSIONS.items():
                for name, member in groups(rows):
                    if (held := cell & member).any():
                        found.append(_group(rows, held, (scope, target, dimension, name)))
    return tuple(found)


def _group(rows: Observations, held: Bools, place: tuple[str, str, str, str]) -> ContextStats:
    atom, other = rows.attested[held].T
    tested = atom >= 0
    decided = tested & (atom != other)
    documents = Clusters.of(rows.documents[held][decided])
    rate = Interval(None, None, None, 0, 0)
    if decided.any():
        rate = won(atom[decided], other[decided], documents)
    return ContextStats(*place, int(held.sum()), int(tested.sum()), int(decided.sum()), rate)


def _kinds(rows: Observations) -> _Groups:
    for kind in ("within", "sentence", "line"):
        yield kind, rows.split_kinds == kind


def _origins(rows: Observations) -> _Groups:
    for origin in ("human", "generated", "straddling"):
        yield origin, rows.origins == origin


def _levels(rows: Observations) -> _Groups:
    for level in np.unique(rows.levels).tolist():
        yield str(level), rows.levels == level


def _strata(rows: Observations) -> _Groups:
    for low, high in STRATA:
        name = str(low) if low == high else f"{low}-{high}"
        yield name, (rows.distances >= low) & (rows.distances <= high)


_Groups = Iterator[tuple[str, Bools]]
_DIMENSIONS: dict[str, Callable[[Observations], _Groups]] = {
    "split": _kinds,
    "distance": _strata,
    "level": _levels,
    "origin": _origins,
}


def findings(cells: Sequence[ContextStats]) -> Iterator[tuple[str, str, str]]:
    """Yield (check id, place, detail) for each cell or kind of split that context decides."""
    for cell in cells:
        rate = cell.rate
        if cell.dimension not in ("", "split") or cell.decided < _MIN_DECIDED or rate.value is None:
            continue
        if rate.value > _MAX_RATE and (rate.low or 0.0) > 0.5:
            place = "/".join(filter(None, (cell.scope, cell.target, cell.group)))
            yield (
                "V31",
                place,
                f"context-aware choice rate {rate.value:.0%} of {cell.decided} decided pairs, "
                "chance 50%",
            )
