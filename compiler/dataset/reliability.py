"""How far the judge can be trusted: known answers, repeated judgements, and its habits.

Anchors are answers whose score is known beforehand: the truth in two forms should be near 1, the
alternative low, the answer to another document's question, "I don't know" and the echoed question
near 0. Repeated judgements of the same answers tell how far the judge agrees with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from compiler.dataset.measures.clusters import Clusters, Column, Sweep, Tally
from compiler.dataset.measures.intervals import Interval
from compiler.dataset.observations import Floats, Ints, Observations
from compiler.records import AuditScore

ANCHORS = ("gold", "atom", "alternative", "foreign", "unknown", "echo")
_SEED = 20_260_502


@dataclass(frozen=True, slots=True)
class AnchorStats:
    """One kind of known answer in one scope. `failed`: anchors whose verdict was no number."""

    scope: str
    kind: str
    mean: Interval
    failed: int


@dataclass(frozen=True, slots=True)
class GapStats:
    """How far the truth (`gold`) is above the alternative in one scope, paired by probe."""

    scope: str
    gap: Interval


@dataclass(frozen=True, slots=True)
class JudgeStats:
    """What is known of the judge."""

    anchors: tuple[AnchorStats, ...]
    gaps: tuple[GapStats, ...]


def reliability(
    rows: Observations, audits: Iterable[AuditScore], scopes: Sequence[str]
) -> JudgeStats:
    """The judge's statistics; parts for which there are no rows are empty."""
    table = _Table(rows, audits)
    tally = Tally(Clusters.of(rows.documents))
    anchors = list(_anchors(table, tally, scopes))
    gaps = list(_gaps(table, tally, scopes))
    sweep = tally.sweep(_SEED)
    return JudgeStats(
        tuple(AnchorStats(s, k, sweep.mean(column), lost) for s, k, column, lost in anchors),
        tuple(GapStats(s, _difference(sweep, pair)) for s, pair in gaps),
    )


class _Table:
    """Audited scores by kind, as columns beside the rows that they are about."""

    def __init__(self, rows: Observations, audits: Iterable[AuditScore]) -> None:
        self.rows = rows
        places = {
            key: place
            for place, key in enumerate(
                zip(rows.documents.tolist(), rows.slots.tolist(), strict=True)
            )
            if rows.statuses[place] != "local"
        }
        self.scores: dict[str, dict[int, tuple[float | None, ...]]] = {}
        for audit in audits:
            place = places[audit.doc_id, audit.slot]
            self.scores.setdefault(audit.kind, {})[place] = audit.scores

    def column(self, kind: str, scope: str) -> tuple[Ints, Floats, int]:
        """Places and scores of the anchors of a kind in a scope, and how many have none."""
        places, values, failed = [], [], 0
        for place, scores in sorted(self.scores.get(kind, {}).items()):
            if self.rows.scopes[place] == scope:
                if scores[0] is None:
                    failed += 1
                else:
                    places.append(place)
                    values.append(scores[0])
        return np.array(places, dtype=np.int64), np.array(values, dtype=np.float64), failed


def _anchors(
    table: _Table, tally: Tally, scopes: Sequence[str]
) -> Iterator[tuple[str, str, Column, int]]:
    for scope in scopes:
        for kind in ANCHORS:
            places, values, failed = table.column(kind, scope)
            if len(places) or failed:
                cell = tally.cell(_mask(table.rows, places))
                yield scope, kind, tally.column(cell, values), failed


def _gaps(
    table: _Table, tally: Tally, scopes: Sequence[str]
) -> Iterator[tuple[str, tuple[Column, Column]]]:
    for scope in scopes:
        true_at, true, _ = table.column("gold", scope)
        false_at, false, _ = table.column("alternative", scope)
        both = np.intersect1d(true_at, false_at)
        if len(both):
            cell = tally.cell(_mask(table.rows, both))
            yield (
                scope,
                (
                    tally.column(cell, true[np.isin(true_at, both)]),
                    tally.column(cell, false[np.isin(false_at, both)]),
                ),
            )


def _difference(sweep: Sweep, pair: tuple[Column, Column]) -> Interval:
    return sweep.difference(*pair)


def _mask(rows: Observations, places: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    mask = np.zeros(len(rows), dtype=np.bool_)
    mask[places] = True
    return mask
