"""Reliability of the judge: known answers, repeated judgements, and preferred scores.

Anchors are answers whose score is known beforehand: the truth in two forms should score near 1, the
alternative low, and the answer to another document's question, "I don't know" and the repeated
question near 0. Repeated judgements of the same answers measure the judge's agreement with itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.records import AuditScore
from compiler.statistics.measures.agreement import Agreement, agreement, flipped, spearman
from compiler.statistics.measures.clusters import Clusters, Column, Tally
from compiler.statistics.measures.heaping import Heaping, heaping
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.measures.variance import Components, components
from compiler.statistics.observations import Bools, Floats, Ints, Observations
from compiler.statistics.scores import share

ANCHORS = ("gold", "atom", "alternative", "foreign", "unknown", "echo")
WRONG = ("foreign", "unknown", "echo")
"""Anchors that are certainly wrong."""
AGAIN = "again_"
"""The kind of repeated judgements, before their number."""
_SEED = 20_260_502


class AnchorStats(Struct, frozen=True):
    """One kind of known answer in one scope. `failed`: number of verdicts without a score."""

    scope: str
    kind: str
    mean: Interval
    failed: int


class GapStats(Struct, frozen=True):
    """Mean score of the truth (`gold`) less that of the alternative in one scope, by probe."""

    scope: str
    gap: Interval


class AgainStats(Struct, frozen=True):
    """The same answers judged `times` times: `probes` probes of `rollouts` answers each.

    `agreement`: of single answers; `flips`: share of probes whose maximum score is in another band
    when judged again; `variance`: components of the variance of scores.
    """

    probes: int
    rollouts: int
    times: int
    agreement: Agreement
    flips: Interval
    variance: Components


class NoiseStats(Struct, frozen=True):
    """The judge's noise in one cell, whose coordinates are empty if it is over all their values.

    `changes`: share of probes whose maximum score is in another band when judged again.
    """

    scope: str
    target: str
    typicality: str
    changes: Interval

    @property
    def place(self) -> tuple[str, str, str]:
        """Scope, target and typicality."""
        return self.scope, self.target, self.typicality


class JudgeStats(Struct, frozen=True):
    """Reliability of the judge.

    `gaps`: truth over alternative; `heaping`: of all blind scores; `verbosity`: rank correlation of
    a probe's mean score and the mean length of its answers; `again`: None without repeated
    judgements. `noise`: by cell, like the blind scores; empty without repeated judgements.
    """

    anchors: tuple[AnchorStats, ...]
    gaps: tuple[GapStats, ...]
    heaping: Heaping
    verbosity: float | None
    again: AgainStats | None
    noise: tuple[NoiseStats, ...]


def reliability(
    rows: Observations,
    audits: Iterable[AuditScore],
    scopes: Sequence[str],
    bands: tuple[float, float],
) -> JudgeStats:
    """Compute the judge's statistics; parts without rows are empty. `bands`: hard, easy."""
    table = _Table(rows, audits)
    tally = Tally(Clusters.of(rows.documents))
    anchors = list(_anchors(table, tally, scopes))
    gaps = list(_gaps(table, tally, scopes))
    sweep = tally.sweep(_SEED)
    repeated = _repeated(table)
    return JudgeStats(
        tuple(AnchorStats(s, k, sweep.mean(column), lost) for s, k, column, lost in anchors),
        tuple(GapStats(s, sweep.difference(*pair)) for s, pair in gaps),
        heaping(rows.scores[~np.isnan(rows.scores)]),
        _verbosity(rows),
        _again(*repeated, table, bands) if repeated is not None else None,
        tuple(_noise(*repeated, table, bands)) if repeated is not None else (),
    )


def noise(
    rows: Observations, audits: Iterable[AuditScore], bands: tuple[float, float]
) -> Interval | None:
    """Estimate the judge's noise over all probes, as NoiseStats; None without repeated judgements.

    `bands`: hard, easy.
    """
    table = _Table(rows, audits)
    repeated = _repeated(table)
    if repeated is None:
        return None
    places, scores = repeated
    return band_changes(scores, rows.documents[places], bands)


def band_changes(
    scores: npt.ArrayLike, documents: npt.ArrayLike, bands: tuple[float, float]
) -> Interval:
    """Estimate the share of probes whose maximum changes its band when judged a second time.

    `scores`: by probe, rollout and judgement; probes with a NaN are left out. `documents`: ids,
    (probes,).
    """
    table = np.asarray(scores, dtype=np.float64)
    whole = ~np.isnan(table[:, :, :2]).any(axis=(1, 2))
    tally = Tally(Clusters.of(documents))
    cell = tally.cell(whole)
    tops = table[whole].max(axis=1)
    column = tally.flags(cell, flipped(tops[:, 0], tops[:, 1], bands))
    return share(tally.sweep(_SEED), column)


def excessive(judge: JudgeStats, most: float) -> Iterator[AnchorStats]:
    """Yield the wrong anchors whose mean score is above `most`."""
    for each in judge.anchors:
        if each.kind in WRONG and each.mean.value is not None and each.mean.value > most:
            yield each


class _Table:
    """Audited scores by kind, joined to the rows that they are about."""

    def __init__(self, rows: Observations, audits: Iterable[AuditScore]) -> None:
        self.rows = rows
        audited = list(audits)
        about = np.isin(rows.names, list({audit.doc_id for audit in audited}))
        found = np.flatnonzero(about[rows.documents] & (rows.statuses != "local"))
        ids, slots = rows.ids(found).tolist(), rows.slots[found].tolist()
        places = dict(zip(zip(ids, slots, strict=True), found.tolist(), strict=True))
        self.scores: dict[str, dict[int, tuple[float | None, ...]]] = {}
        for audit in audited:
            # The audits of a dataset may concern rounds whose rows were not read.
            place = places.get((audit.doc_id, audit.slot))
            if place is not None:
                self.scores.setdefault(audit.kind, {})[place] = audit.scores

    def column(self, kind: str, scope: str) -> tuple[Ints, Floats, int]:
        """Return row numbers and scores of a scope's anchors, and the number without a score."""
        failed = 0
        places = []
        values = []
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


def _verbosity(rows: Observations) -> float | None:
    known = rows.has_scores() & (rows.chars[:, 3] >= 0)
    if not known.any():
        return None
    return spearman(rows.scores[known, : rows.common()].mean(axis=1), rows.chars[known, 3])


def _repeated(table: _Table) -> tuple[Ints, Floats] | None:
    """Return the probes with all K rollouts that were judged again, and their scores.

    Scores are by probe, rollout and judgement, the first one included; NaN for a verdict without a
    score. None without such probes.
    """
    repeats = sorted(
        (kind for kind in table.scores if kind.startswith(AGAIN)),
        key=lambda kind: int(kind.removeprefix(AGAIN)),
    )
    if not repeats:
        return None
    rollouts = table.rows.rollouts
    places = [
        place
        for place in sorted(table.scores[repeats[0]])
        if table.rows.statuses[place] == "scored"
        and all(len(table.scores[kind].get(place, ())) == rollouts for kind in repeats)
    ]
    if not places:
        return None
    scores = np.full((len(places), rollouts, 1 + len(repeats)), np.nan)
    scores[:, :, 0] = table.rows.scores[places]
    for number, kind in enumerate(repeats, 1):
        for line, place in enumerate(places):
            scores[line, :, number] = [
                np.nan if each is None else each for each in table.scores[kind][place]
            ]
    return np.array(places, dtype=np.int64), scores


def _again(places: Ints, scores: Floats, table: _Table, bands: tuple[float, float]) -> AgainStats:
    """Compare repeated judgements with the first ones."""
    documents = table.rows.documents[places]
    rollouts, times = scores.shape[1:]
    items = Clusters.of(np.repeat(documents, rollouts))
    return AgainStats(
        len(places),
        rollouts,
        times,
        agreement(scores.reshape(-1, times), items, _SEED, bands),
        band_changes(scores, documents, bands),
        components(scores),
    )


def _noise(
    places: Ints, scores: Floats, table: _Table, bands: tuple[float, float]
) -> Iterator[NoiseStats]:
    """Yield the noise of every cell with repeated judgements; that of all probes comes last."""
    rows = table.rows
    coordinates = rows.scopes[places], rows.targets[places], rows.typicality[places]
    found = set(zip(*(each.tolist() for each in coordinates), strict=True))
    cells = found | {(scope, target, "") for scope, target, _ in found}
    for scope, target, typicality in (*sorted(cells), ("", "", "")):
        mask = np.ones(len(places), dtype=np.bool_)
        for values, name in zip(coordinates, (scope, target, typicality), strict=True):
            if name:
                mask &= values == name
        changes = band_changes(scores[mask], rows.documents[places][mask], bands)
        yield NoiseStats(scope, target, typicality, changes)


def _mask(rows: Observations, places: Ints) -> Bools:
    mask = np.zeros(len(rows), dtype=np.bool_)
    mask[places] = True
    return mask
