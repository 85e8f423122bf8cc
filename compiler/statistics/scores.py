"""Blind scores of every cell (scope, target, typicality), with intervals clustered by document.

A cell over all values of a coordinate has an empty name in its place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct
from msgspec.structs import replace

from compiler.statistics.measures import bimodality, maxima, resolving
from compiler.statistics.measures.clusters import Cell, Clusters, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval, wilson
from compiler.statistics.measures.resolving import BetaBinomial
from compiler.statistics.measures.units import rounded
from compiler.statistics.observations import Bools, Floats, Observations

EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)
# Distances in units of the scope; 0 leaves the last one open.
DISTANCES = ((1, 1), (2, 3), (4, 15), (16, 0))
_SEED = 20_260_501
_NOTHING = Interval(None, None, None, 0, 0)


class BaselineStats(Struct, frozen=True):
    """Scores of another reader of the same questions.

    `gap`: its mean score less the blind mean score, paired by row.
    """

    name: str
    rows: int
    rollouts: int
    mean: Interval
    gap: Interval


class DistanceStats(Struct, frozen=True):
    """Scores of rows whose atom is `low` to `high` units of the scope from the split.

    `high`: 0 for no limit.
    """

    low: int
    high: int
    mean: Interval
    expected_max: Interval


class ShapeStats(Struct, frozen=True):
    """Measures of bimodality of the maximum; neither is a verdict.

    `sarle`: 0.556 for a uniform sample; `valley`: middle bin over the lower of the two sides'
    peaks.
    """

    sarle: float | None
    valley: Interval


class UnsolvedStats(Struct, frozen=True):
    """Rows that no rollout solved, and their estimated re-solve rates.

    A rollout solves a row when its score is at least `threshold`; k is the number of rollouts that
    every row has. `rows`: number of rows never solved. `fresh`: share of them re-solved by k new
    rollouts, from `fit`, a beta-binomial fit to all rows; it measures the winner's curse of
    selecting by a noisy maximum. `held_out`: a model-free estimate, selecting on all rollouts but
    two and evaluating on these two. `bound`: 95% upper bound on the solve rate per rollout of one
    row never solved.
    """

    threshold: float
    rows: int
    fresh: Interval
    held_out: Interval
    fit: BetaBinomial
    bound: float | None


class CellStats(Struct, frozen=True):
    """Scores of one cell. An empty `scope`, `target` or `typicality` stands for all of them.

    `rows`: rows with blind scores; `scored` of them have all K, `decided` were stopped early as
    EASY. `expected_max[k - 1]`: mean over rows of the unbiased expected maximum of k rollouts, up
    to the number of rollouts that every row of the dataset has; `expected_max[0]` is the mean
    score. `std`: standard deviation (n - 1) of the maximum over that number of rollouts.
    `histogram`: of the maximum over all rollouts of a row, in [0, .2), [.2, .4), [.4, .6),
    [.6, .8), [.8, 1]; `hard`, `easy`: shares of rows whose maximum is below the first threshold
    and at least the second. `leak`: share of leaking rows, whose complement or question gives the
    answer away (V14, V28). `shape`: None without rows; `unsolved`: None with fewer than three
    rollouts. `second`: mean score against target_response; None unless answers were compared with
    both texts in every scope of the cell.
    """

    scope: str
    target: str
    typicality: str
    rows: int
    scored: int
    decided: int
    documents: int
    expected_max: tuple[Interval, ...]
    std: float | None
    histogram: tuple[int, ...]
    hard_count: int
    easy_count: int
    hard: Interval
    easy: Interval
    leak: Interval
    shape: ShapeStats | None
    unsolved: UnsolvedStats | None
    second: Interval | None
    baselines: tuple[BaselineStats, ...]
    distances: tuple[DistanceStats, ...]

    @property
    def mean(self) -> Interval:
        """The mean score."""
        return self.expected_max[0]

    @property
    def top(self) -> Interval:
        """The expected maximum over the rollouts that every row has."""
        return self.expected_max[-1]

    @property
    def name(self) -> str:
        """The name of the cell: `sentence suffix typical`; empty for all rows."""
        return " ".join(part for part in (self.scope, self.target, self.typicality) if part)


def cells(
    rows: Observations, hard: float, easy: float, scopes: Sequence[str]
) -> tuple[CellStats, ...]:
    """Compute every cell with blind scores, by scope, target and typicality; all rows come last.

    `hard`, `easy`: the thresholds of the bands; `scopes`: known scopes in their order.
    """
    tally = Tally(Clusters.of(rows.documents))
    scored, width = rows.has_scores(), rows.common()
    waiting = []
    for scope in rows.order_of_scopes(scopes):
        of_scope = scored & (rows.scopes == scope)
        for target in ("prefix", "suffix"):
            of_target = of_scope & (rows.targets == target)
            names = [""] + [
                t for t in ("typical", "atypical") if (rows.typicality[of_target] == t).any()
            ]
            for typicality in names if of_target.any() else ():
                mask = of_target & (rows.typicality == typicality) if typicality else of_target
                place = (scope, target, typicality)
                waiting.append(_Waiting(tally, rows, mask, place, hard, easy, width))
    waiting.append(_Waiting(tally, rows, scored, ("", "", ""), hard, easy, width))
    sweep = tally.sweep(_SEED)
    return tuple(each.read(sweep) for each in waiting)


def share(sweep: Sweep, flags: Column) -> Interval:
    """Estimate a share of rows with its interval.

    At 0 and 1 every resample gives the same share, so the interval is Wilson's, with documents as
    the sample.
    """
    found = sweep.mean(flags)
    if found.low is None or found.value not in (0.0, 1.0):
        return found
    bound = wilson(found.documents if found.value else 0, found.documents)
    return replace(found, low=bound.low, high=bound.high)


class _Waiting:
    """A cell whose sums are in the tally, before the sweep."""

    def __init__(
        self,
        tally: Tally,
        rows: Observations,
        mask: Bools,
        place: tuple[str, str, str],
        hard: float,
        easy: float,
        width: int,
    ) -> None:
        """Add the sums of a cell to the tally.

        `mask`: its rows; `place`: its scope, target and typicality; `width`: the number of rollouts
        that every row of every cell has.
        """
        self._place, self._rows, self._mask = place, rows, mask
        scores = rows.scores[mask]
        self._maxima: Floats = np.nanmax(scores, axis=1) if len(scores) else np.empty(0)
        self._first: Floats = scores[:, :width].max(axis=1) if len(scores) else np.empty(0)
        self._cell = tally.cell(mask)
        self._ordered = maxima.ordered_columns(tally, self._cell, scores[:, :width])
        self._hard = tally.flags(self._cell, self._maxima < hard)
        self._easy = tally.flags(self._cell, self._maxima >= easy)
        self._leak = tally.flags(self._cell, rows.leaking[mask])
        self._bins = bimodality.bin_columns(tally, self._cell, self._maxima)
        self._width = width
        solved = (scores[:, :width] >= hard).sum(axis=1)
        self._solved = solved
        self._threshold = hard
        self._table = resolving.count_columns(tally, self._cell, solved, width) if width > 2 else ()
        self._counts = (int((self._maxima < hard).sum()), int((self._maxima >= easy).sum()))
        self._second = self._mean_of(tally, rows.seconds, mask)
        self._baselines = [
            (name, self._paired(tally, values, mask)) for name, values in rows.baselines.items()
        ]
        self._distances = [self._at(tally, low, high, mask) for low, high in DISTANCES]

    def _mean_of(self, tally: Tally, values: Floats, mask: Bools) -> Column | None:
        """Add the mean of each row's `values`, for rows that have any."""
        if not values.shape[1]:
            return None
        have = mask & ~np.isnan(values[:, 0])
        # The mean over some scopes would stand beside means over all of them.
        if not np.isin(self._rows.scopes[mask], self._rows.scopes[have]).all():
            return None
        cell = tally.cell(have)
        of_rows = values[cell.rows][:, : self._width]
        return tally.column(cell, np.nanmean(of_rows, axis=1)) if cell.n else None

    def _paired(
        self, tally: Tally, values: Floats, mask: Bools
    ) -> tuple[Column, Column, int] | None:
        """Add a baseline's and the blind mean of the rows that have both.

        Returns their columns, and the number of the baseline's rollouts.
        """
        cell = tally.cell(mask & ~np.isnan(values[:, 0]))
        if not cell.n:
            return None
        own = tally.column(cell, np.nanmean(values[cell.rows], axis=1))
        blind = tally.column(cell, self._rows.scores[cell.rows, : self._width].mean(axis=1))
        return own, blind, values.shape[1]

    def _at(
        self, tally: Tally, low: int, high: int, mask: Bools
    ) -> tuple[int, int, tuple[Column, ...]] | None:
        distances = self._rows.distances
        near = mask & (distances >= low) & ((distances <= high) if high else True)
        cell: Cell = tally.cell(near)
        if not cell.n or not self._place[0]:
            return None
        width = len(self._ordered)
        return low, high, maxima.ordered_columns(tally, cell, self._rows.scores[near][:, :width])

    def read(self, sweep: Sweep) -> CellStats:
        """Return the cell with its intervals."""
        statuses = self._rows.statuses[self._mask]
        first = self._first
        return CellStats(
            *self._place,
            rows=len(first),
            scored=int((statuses == "scored").sum()),
            decided=int((statuses == "decided").sum()),
            documents=self._cell.documents,
            expected_max=maxima.curve(sweep, self._ordered) if self._ordered else (_NOTHING,),
            std=rounded(first.std(ddof=1)) if len(first) > 1 else None,
            histogram=bimodality.histogram(self._maxima),
            hard_count=self._counts[0],
            easy_count=self._counts[1],
            hard=share(sweep, self._hard),
            easy=share(sweep, self._easy),
            leak=share(sweep, self._leak),
            shape=self._shape(sweep),
            unsolved=self._unsolved(sweep),
            second=sweep.mean(self._second) if self._second is not None else None,
            baselines=tuple(
                BaselineStats(
                    name, own.cell.n, width, sweep.mean(own), sweep.difference(own, blind)
                )
                for name, found in self._baselines
                if found is not None
                for own, blind, width in (found,)
            ),
            distances=tuple(
                DistanceStats(low, high, curve[0], curve[-1])
                for found in self._distances
                if found is not None
                for low, high, columns in (found,)
                for curve in (maxima.curve(sweep, columns),)
            ),
        )

    def _shape(self, sweep: Sweep) -> ShapeStats | None:
        if not len(self._maxima):
            return None
        return ShapeStats(
            bimodality.sarle(self._maxima),
            bimodality.valley_ratio(sweep, self._bins),
        )

    def _unsolved(self, sweep: Sweep) -> UnsolvedStats | None:
        if not self._table:
            return None
        counts = np.bincount(self._solved, minlength=self._width + 1)
        return UnsolvedStats(
            self._threshold,
            int(counts[0]),
            resolving.resolve_rate(sweep, self._table, self._width),
            resolving.held_out_rate(sweep, self._table, self._width - 2),
            resolving.fit(counts),
            resolving.upper_bound(self._width),
        )
