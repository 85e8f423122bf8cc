"""Scores as columns of numbers, one row per probe.

All methods share the rows, so that one resampling of documents serves all of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from compiler.evaluation.scores import Kind, Score
from compiler.statistics.observations import Bools, Floats, Names


@dataclass(frozen=True)
class Series:
    """One metric of one method under one control.

    `scores` (n,): NaN unless scored; `asked` (n,): scored or missing; `failed` (n,): the judge gave
    no number, so that the probe is left out. `chars` (n,): mean length of the answers.
    """

    scores: Floats
    asked: Bools
    failed: Bools
    chars: Floats

    @property
    def scored(self) -> Bools:
        """Mark the probes with a score."""
        return ~np.isnan(self.scores)

    def filled(self, value: float = 0.0) -> Floats:
        """Return the scores with a value for the missing ones."""
        return np.where(self.scored, self.scores, value)


@dataclass(frozen=True)
class Grid:
    """n probes as columns, and the series of every method.

    `series`: (method, control, metric) -> series. `blind`, `fresh`, `full`: scores of the readers
    by rollout, (n, K), padded with NaN.
    """

    probes: Names
    documents: Names
    scopes: Names
    targets: Names
    typicality: Names
    bands: Names
    leaking: Bools
    repeated: Bools
    series: dict[tuple[str, str, str], Series]
    blind: Floats
    fresh: Floats
    full: Floats

    def methods(self) -> list[str]:
        """List the methods that have a series, in order of appearance."""
        return list(dict.fromkeys(method for method, _, _ in self.series))

    def controls(self, method: str) -> set[str]:
        """Return the controls of a method, `real` included."""
        return {control for name, control, _ in self.series if name == method}


def gather(rows: Sequence[Score]) -> Grid:
    """Arrange scores by probe; the order of rows changes nothing but the order of methods."""
    first: dict[str, Score] = {}
    for row in rows:
        first.setdefault(row.probe_id, row)
    probes = [first[key] for key in sorted(first)]
    places = {row.probe_id: place for place, row in enumerate(probes)}
    size = len(probes)

    def names(field: str) -> Names:
        return np.array([getattr(row, field) for row in probes], dtype=np.str_)

    def flags(field: str) -> Bools:
        return np.array([getattr(row, field) for row in probes], dtype=np.bool_)

    series: dict[tuple[str, str, str], Series] = {}
    for row in rows:
        if row.kind == "method":
            key = (row.method, row.control, row.metric)
            if key not in series:
                series[key] = Series(_nothing(size), _no(size), _no(size), _nothing(size))
            place, own = places[row.probe_id], series[key]
            own.failed[place] = row.status == "judge_failed"
            own.asked[place] = row.status != "judge_failed"
            own.scores[place] = np.nan if row.score is None else row.score
            own.chars[place] = np.nan if row.chars is None else row.chars
    return Grid(
        names("probe_id"), names("doc_id"), names("scope"), names("target"), names("typicality"),
        names("band"), flags("leaking"), flags("repeated"), series,
        *(_readers(rows, kind, places) for kind in ("blind", "fresh", "full")),
    )  # fmt: skip


def _readers(rows: Sequence[Score], kind: Kind, places: dict[str, int]) -> Floats:
    """Return the scores of a reader by rollout; a mean over fresh answers is one rollout."""
    found: dict[int, list[tuple[int, float]]] = defaultdict(list)
    for row in rows:
        if row.kind == kind and row.metric == "judge" and row.score is not None:
            found[places[row.probe_id]].append((row.sample, row.score))
    table = np.full((len(places), max(map(len, found.values()), default=0)), np.nan)
    for place, numbers in found.items():
        table[place, : len(numbers)] = [number for _, number in sorted(numbers)]
    return table


def _nothing(size: int) -> Floats:
    return np.full(size, np.nan)


def _no(size: int) -> Bools:
    return np.zeros(size, dtype=np.bool_)
