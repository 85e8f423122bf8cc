"""Statistics of an evaluation: every cell of scope, target, typicality and band, under each metric.

Scopes, targets and bands are different tasks and are never pooled. All numbers come from one
resampling of documents, with the same draws for all methods.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from msgspec.structs import replace

from compiler.evaluation import findings
from compiler.evaluation.given import CONTROLS
from compiler.evaluation.grid import Grid, Series, gather
from compiler.evaluation.places import ALL, Place, places
from compiler.evaluation.results import (
    Baseline,
    CellResult,
    Line,
    Pair,
    Results,
    Settings,
)
from compiler.evaluation.scores import JUDGE, Scores
from compiler.statistics.measures.clusters import Clusters, Column, Sweep, Tally
from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval
from compiler.statistics.measures.multiplicity import holm, rank, two_sided
from compiler.statistics.measures.selection import crossfit
from compiler.statistics.measures.units import divided, rounded
from compiler.statistics.observations import Bools, Floats
from compiler.statistics.scores import share

_SEED = 20_261_129
# With less room between the blind reader and full information, a share of it is noise.
MIN_ROOM = 0.1


def compute(rows: Scores, settings: Settings) -> Results:
    """Compute all results from the scores."""
    grid = gather(rows)
    tally = Tally(Clusters.of(grid.documents))
    fitted = {
        band: crossfit(grid.blind, *_bounds(band, settings))
        for band in settings.bands
        if band != ALL
    }
    waiting = [_Cell(tally, grid, settings, fitted, place) for place in places(grid, settings)]
    sweep = tally.sweep(_SEED)
    cells = tuple(found for each in waiting if (found := each.read(sweep)).lines)
    return Results(
        cells,
        tuple(findings.judge(grid)),
        tuple(findings.warnings(cells)),
        tuple(findings.notes(grid, cells)),
    )


@dataclass(frozen=True)
class _Against:
    """Columns of a method against a reader, on rows of weight above 0."""

    weight: Column
    own: Column
    blind: Column
    full: Column | None


@dataclass(frozen=True)
class _Gain:
    """The difference of a method and its control on each probe, and the sums of it."""

    control: str
    by: str
    column: Column
    values: Floats
    reference: Column
    bounds: tuple[float | None, float | None]
    missing: int


@dataclass(frozen=True)
class _Waiting:
    """A method in a cell, whose sums are in the tally."""

    name: str
    mask: Bools
    series: Series
    column: Column
    gain: _Gain | None
    blind: _Against | None
    ceiling: _Against | None


class _Cell:
    """A cell whose sums are in the tally, before the sweep."""

    def __init__(
        self,
        tally: Tally,
        grid: Grid,
        settings: Settings,
        fitted: Mapping[str, tuple[Floats, Floats]],
        place: Place,
    ) -> None:
        """Add the sums of a cell to the tally.

        `fitted`: band -> weight of each probe and its weighted blind score, cross-fitted.
        """
        self._tally, self._grid, self._settings, self._place = tally, grid, settings, place
        self._fitted = fitted
        readers = [name for name in grid.methods() if grid.controls(name) == {"text"}]
        self._shared = readers[0] if readers else ""
        self._baseline, self._weight, self._blind = self._reader()
        self._full: Floats = _row_means(grid.full)
        self._all = self._against(place.outer, None)
        self._room = self._against(place.outer & ~np.isnan(self._full), None, ceiling=True)
        self._methods = [found for name in grid.methods() if (found := self._method(name))]
        self._pairs = [*self._differences()]

    def _reader(self) -> tuple[Baseline, Floats, Floats]:
        """Return how the blind reader is taken, the weight of each row, and its weighted score."""
        grid, place = self._grid, self._place
        nothing = np.zeros(len(grid.documents))
        if place.metric != JUDGE or not grid.blind.shape[1]:
            return "", nothing, nothing
        if place.band == ALL:
            means = _row_means(grid.blind)
            return "mean", (~np.isnan(means)).astype(np.float64), np.nan_to_num(means)
        fresh = _row_means(grid.fresh)
        chosen = place.mask & ~np.isnan(fresh)
        if chosen.any():
            return "fresh", chosen.astype(np.float64), np.where(chosen, np.nan_to_num(fresh), 0.0)
        return "cross-fitted", *self._fitted[place.band]

    def _against(
        self, mask: Bools, own: Floats | None, *, ceiling: bool = False
    ) -> _Against | None:
        """Add the sums of the blind reader's rows of a mask, and those of a method beside them."""
        if not self._baseline:
            return None
        cell = self._tally.cell(mask & (self._weight > 0))
        if not cell.n:
            return None
        weight = self._weight[cell.rows]
        values = np.zeros(len(weight)) if own is None else own[cell.rows]
        return _Against(
            self._tally.column(cell, weight),
            self._tally.column(cell, weight * values),
            self._tally.column(cell, self._blind[cell.rows]),
            self._tally.column(cell, weight * self._full[cell.rows]) if ceiling else None,
        )

    def _method(self, name: str) -> _Waiting | None:
        grid, metric = self._grid, self._place.metric
        own = "real" if "real" in grid.controls(name) else "text"
        series = grid.series.get((name, own, metric))
        if series is None:
            return None
        asked = series.scored if self._settings.missing == "drop" else series.asked
        mask = self._place.mask & asked
        cell = self._tally.cell(mask)
        if not cell.n:
            return None
        scores = series.filled()
        outer = self._place.outer & asked
        return _Waiting(
            name,
            mask,
            series,
            self._tally.column(cell, scores[mask]),
            self._gain(mask, series, *self._control(name, own)),
            self._against(outer, scores),
            self._against(outer & ~np.isnan(self._full), scores, ceiling=True),
        )

    def _control(self, name: str, own: str) -> tuple[str, str, Series | None]:
        """Return the control that a method is compared with: its own, else the shared one."""
        grid, metric = self._grid, self._place.metric
        # The pointwise mutual information is less the shuffled control already.
        if own != "real" or metric == "win_pmi":
            return "", "", None
        for control in CONTROLS:
            series = grid.series.get((name, control, metric))
            if series is not None and (series.scored & self._place.mask).any():
                return control, name, series
        return "text", self._shared, grid.series.get((self._shared, "text", metric))

    def _gain(
        self, mask: Bools, series: Series, control: str, by: str, other: Series | None
    ) -> _Gain | None:
        if other is None:
            return None
        cell = self._tally.cell(mask & other.scored)
        if not cell.n:
            return None
        differences = (series.filled() - other.filled())[cell.rows]
        both = mask & other.asked
        worst, best = series.filled() - other.filled(1.0), series.filled(1.0) - other.filled()
        return _Gain(
            control,
            by,
            self._tally.column(cell, differences),
            differences,
            self._tally.column(cell, other.filled()[cell.rows]),
            (rounded(worst[both].mean()), rounded(best[both].mean())),
            int((both & ~other.scored).sum()),
        )

    def _differences(self) -> Iterator[tuple[str, str, Column, Floats]]:
        """Add the paired differences of methods, or of each method and the baseline."""
        base = self._settings.baseline
        ranked = [each for each in self._methods if self._is_method(each.name)]
        if base:
            chosen = [(a, b) for a in ranked for b in self._methods if b.name == base != a.name]
        else:
            chosen = [*combinations(ranked, 2)]
        for first, second in chosen:
            cell = self._tally.cell(first.mask & second.mask)
            if cell.n:
                values = (first.series.filled() - second.series.filled())[cell.rows]
                yield first.name, second.name, self._tally.column(cell, values), values

    def _is_method(self, name: str) -> bool:
        return "real" in self._grid.controls(name)

    def read(self, sweep: Sweep) -> CellResult:
        """Return the cell with its intervals."""
        place, mask = self._place, self._place.mask
        gains = [each for each in self._methods if each.gain is not None]
        room = _ratio(sweep, self._room, lambda w, _, b, f: divided(f - b, w))
        full = _ratio(sweep, self._room, lambda w, _, b, f: divided(f, w))
        return CellResult(
            place.scope,
            place.target,
            place.typicality,
            place.band,
            place.metric,
            place.clean,
            place.metric in (self._settings.primary.get(place.scope), self._settings.win),
            int(mask.sum()),
            int(np.count_nonzero(np.bincount(self._grid.documents[mask]))),
            self._baseline if self._all is not None else "",
            _ratio(sweep, self._all, lambda w, _, b: divided(b, w)),
            full,
            room,
            tuple(self._line(sweep, each, gains) for each in self._methods),
            tuple(self._read_pairs(sweep)),
        )

    def _line(self, sweep: Sweep, each: _Waiting, gains: Sequence[_Waiting]) -> Line:
        series, mask = each.series, each.mask
        failed = int((series.failed & self._place.mask).sum())
        documents = each.column.cell.documents
        gain, closed, why = each.gain, None, ""
        if self._is_method(each.name):
            closed, why = self._closed(sweep, each, documents)
        over = self._over(sweep, each)
        if over is not None and documents < MIN_DOCUMENTS:
            # Cross-fitting also weighs probes next to the band; its own probes are too few.
            over = replace(over, low=None, high=None)
        return Line(
            each.name,
            int(mask.sum()),
            documents,
            int((self._place.mask & series.asked & ~series.scored).sum()),
            failed,
            share(sweep, each.column),
            (rounded(series.filled()[mask].mean()), rounded(series.filled(1.0)[mask].mean())),
            gain.control if gain else "",
            gain.by if gain else "",
            share(sweep, gain.reference) if gain else None,
            gain.missing if gain else 0,
            _varying(sweep.mean(gain.column), gain.values) if gain else None,
            gain.bounds if gain else None,
            over,
            closed,
            why,
            _ranked(sweep, each, gains),
        )

    def _over(self, sweep: Sweep, each: _Waiting) -> Interval | None:
        if not self._settings.same_judge:
            return None
        return _ratio(sweep, each.blind, lambda w, s, b: divided(s - b, w))

    def _closed(self, sweep: Sweep, each: _Waiting, documents: int) -> tuple[Interval | None, str]:
        """Return the share of the gap that a method closes, or the reason why there is none."""
        if self._place.metric != JUDGE:
            return None, ""
        if not self._settings.same_judge:
            return None, "another judge"
        if each.blind is None:
            return None, "no blind scores"
        if each.ceiling is None:
            return None, "no full information"
        room = _ratio(sweep, each.ceiling, lambda w, _, b, f: divided(f - b, w))
        assert room is not None
        if room.low is None or documents < MIN_DOCUMENTS:
            return None, f"too few documents ({min(documents, room.documents)})"
        if room.low <= MIN_ROOM:
            return None, f"no room (full - blind = {room.value:.3f})"
        found = _ratio(sweep, each.ceiling, lambda _, s, b, f: divided(s - b, f - b))
        return found, ""

    def _read_pairs(self, sweep: Sweep) -> Iterator[Pair]:
        found = []
        for first, second, column, values in self._pairs:
            draws = sweep.draws(divided, column, self._tally.size(column.cell))
            varies = values.min() != values.max()
            p = two_sided(draws) if varies else None
            found.append((first, second, _varying(sweep.mean(column), values), p))
        known = iter(holm([p for *_, p in found if p is not None]))
        for first, second, difference, p in found:
            adjusted = rounded(next(known)) if p is not None else None
            yield Pair(first, second, difference, p, adjusted)


def _ranked(sweep: Sweep, each: _Waiting, gains: Sequence[_Waiting]) -> Interval | None:
    """Rank a method by gain among those that have one; None with too few of them or documents."""
    if each not in gains or len(gains) < 2:
        return None
    columns: list[Column] = []
    for other in gains:
        assert other.gain is not None
        column = other.gain.column
        columns += [column, Column(column.cell.counts, 1, column.cell)]

    def of(*sums: Floats) -> Floats:
        means = [divided(sums[at], sums[at + 1]) for at in range(0, len(sums), 2)]
        return rank(gains.index(each), means)

    found = sweep.statistic(of, *columns)
    return found if found.low is not None else None


def _ratio(sweep: Sweep, found: _Against | None, function: object) -> Interval | None:
    """Compute a statistic of the sums against a reader."""
    if found is None:
        return None
    columns = [found.weight, found.own, found.blind]
    columns += [found.full] if found.full is not None else []
    return sweep.statistic(function, *columns)  # pyrefly: ignore[bad-argument-type]


def _varying(found: Interval, values: Floats) -> Interval:
    """Drop an interval of equal values: resampling them says nothing about other probes."""
    return found if values.min() != values.max() else replace(found, low=None, high=None)


def _row_means(table: Floats) -> Floats:
    """Average each row over its numbers; NaN for a row without any."""
    present = ~np.isnan(table)
    return divided(np.where(present, table, 0.0).sum(axis=1), present.sum(axis=1))


def _bounds(band: str, settings: Settings) -> tuple[float, float]:
    """Return the maxima of a band: from the first to below the second."""
    if band == "hard":
        return -np.inf, settings.hard
    return (settings.easy, np.inf) if band == "easy" else (settings.hard, settings.easy)
