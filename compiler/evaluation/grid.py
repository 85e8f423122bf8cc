"""Scores as columns of numbers, one row per probe.

All methods share the rows, so that one resampling of documents serves all of them.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from compiler.dataset.arrays import Coded
from compiler.evaluation.scores import JUDGE, Kind, Scores
from compiler.statistics.observations import Bools, Floats, Ints, Names, padded


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

    `documents`: the rank of each probe's document by name. `series`: (method, control, metric) ->
    series. `blind`, `fresh`, `full`: scores of the readers by rollout, (n, K), padded with NaN.
    """

    documents: Ints
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


def gather(rows: Scores) -> Grid:
    """Arrange scores by probe; the order of rows changes nothing but the order of methods."""
    codes, first, places = np.unique(rows.probe_id.codes, return_index=True, return_inverse=True)
    order = np.argsort(np.array(rows.probe_id.names)[codes])
    first, places = first[order], np.argsort(order)[places]
    size = len(codes)

    def names(column: Coded) -> Names:
        return Coded(column.codes[first], column.names).values()

    series: dict[tuple[str, str, str], Series] = {}
    for key, own in _groups(rows):
        scored, chars = _nothing(size), _nothing(size)
        asked, failed = _no(size), _no(size)
        at, fails = places[own], rows.status.among(("judge_failed",))[own]
        failed[at], asked[at] = fails, ~fails
        scored[at], chars[at] = rows.score[own], rows.chars[own]
        series[key] = Series(scored, asked, failed, chars)
    documents = names(rows.doc_id)
    return Grid(
        np.unique(documents, return_inverse=True)[1], names(rows.scope), names(rows.target),
        names(rows.typicality), names(rows.band), rows.leaking[first], rows.repeated[first], series,
        *(_readers(rows, kind, places, size) for kind in ("blind", "fresh", "full")),
    )  # fmt: skip


def _groups(rows: Scores) -> Iterator[tuple[tuple[str, str, str], Ints]]:
    """Yield method, control and metric of every series, and its rows, in order of appearance."""
    own = np.flatnonzero(rows.kind.among(("method",)))
    columns = (rows.method, rows.control, rows.metric)
    shape = tuple(len(each.names) for each in columns)
    keys = np.ravel_multi_index([each.codes[own] for each in columns], shape)
    found, first = np.unique(keys, return_index=True)
    for key in found[np.argsort(first)].tolist():
        method, control, metric = (
            column.names[code]
            for column, code in zip(columns, np.unravel_index(key, shape), strict=True)
        )
        yield (method, control, metric), own[keys == key]


def _readers(rows: Scores, kind: Kind, places: Ints, size: int) -> Floats:
    """Return the scores of a reader by rollout; a mean over fresh answers is one rollout."""
    own = np.flatnonzero(
        rows.kind.among((kind,)) & rows.metric.among((JUDGE,)) & ~np.isnan(rows.score)
    )
    own = own[np.lexsort((rows.score[own], rows.sample[own], places[own]))]
    return padded(np.bincount(places[own], minlength=size), rows.score[own])


def _nothing(size: int) -> Floats:
    return np.full(size, np.nan)


def _no(size: int) -> Bools:
    return np.zeros(size, dtype=np.bool_)
