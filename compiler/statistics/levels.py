"""A sweep over calibration levels: a dataset per level on the same documents, paired by document.

The effect of the levels is tested, not assumed: a model may ignore its addendum.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from compiler.records import AuditScore
from compiler.spec.model import Selection
from compiler.statistics.measures import bimodality, maxima
from compiler.statistics.measures.agreement import spearman
from compiler.statistics.measures.clusters import Clusters, Column, Sweep, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import Bools, Floats, Observations
from compiler.statistics.reliability import noise
from compiler.statistics.scores import share

_SEED = 20_260_503


@dataclass(frozen=True, slots=True)
class LevelStats:
    """One level: the written rows of all scopes and targets.

    `planned`, `built`: written slots and rows; `scored` of them have blind scores. `mean`: mean
    score; `expected_max`: expected max of K rollouts. `valley`, `sarle`: of the plain maximum.
    `changes`: share of probes whose band changes when the same answers are judged again; None
    without repeated judgements. `no_context`: mean score of that baseline; None where it did not
    run. `step`: `expected_max`
    less that of the level before, paired by document; None for the first level.
    """

    level: int
    planned: int
    built: int
    scored: int
    documents: int
    mean: Interval
    expected_max: Interval
    hard: Interval
    easy: Interval
    changes: Interval | None
    leak: Interval
    valley: Interval
    sarle: float | None
    no_context: Interval | None
    step: Interval | None


@dataclass(frozen=True, slots=True)
class SweepStats:
    """The compared levels of a sweep, their effect, and the chosen level.

    `order`: Spearman's correlation of level and `expected_max`; stricter levels should score lower,
    so -1 is a perfect response. `span`: `expected_max` of the strictest less that of the mildest
    level, paired by document. `effect`: "as meant" when the span's interval is below 0, "reversed"
    when above, "none" when it contains 0, "unknown" with too few documents. `against`: levels whose
    `step` has an interval above 0. `chosen`: the level by the declared rule; None when no level is
    allowed. `refused`: the reason by level, for levels that are not allowed. `rollouts`: K, the
    number of rollouts that every scored row of every level has.
    """

    levels: tuple[LevelStats, ...]
    order: float | None
    span: Interval | None
    effect: str
    against: tuple[int, ...]
    chosen: int | None
    refused: dict[str, str]
    rollouts: int


@dataclass(frozen=True)
class Level:
    """The rows of one level's build, its audits, and the number of its planned written slots."""

    rows: Observations
    planned: int
    audits: Iterable[AuditScore] = ()


def compare(levels: Mapping[int, Level], hard: float, easy: float, rule: Selection) -> SweepStats:
    """Compare levels, the mildest first, and choose one by the rule.

    `hard`, `easy`: the thresholds of the bands.
    """
    order = sorted(levels)
    documents = np.concatenate([levels[level].rows.ids() for level in order])
    tally = Tally(Clusters.of(documents))
    start = 0
    waiting = []
    # Early stopping leaves milder levels more rows of fewer rollouts, and the maximum grows with
    # the number of rollouts: all levels are compared over the same number.
    width = min((w for level in order if (w := levels[level].rows.common())), default=0)
    for level in order:
        waiting.append(
            _Waiting(tally, level, levels[level], start, len(documents), hard, easy, width)
        )
        start += len(levels[level].rows)
    sweep = tally.sweep(_SEED)
    found: list[LevelStats] = []
    for place, each in enumerate(waiting):
        before = waiting[place - 1] if place else None
        found.append(each.read(sweep, before))
    span = waiting[-1].less(sweep, waiting[0]) if len(waiting) > 1 else None
    known = [
        (each.level, each.expected_max.value)
        for each in found
        if each.expected_max.value is not None
    ]
    chosen, refused = choose(found, rule)
    return SweepStats(
        tuple(found),
        spearman([level for level, _ in known], [value for _, value in known]),
        span,
        _effect(span),
        tuple(
            each.level
            for each in found
            if each.step is not None and each.step.low is not None and each.step.low > 0
        ),
        chosen,
        refused,
        width,
    )


def choose(levels: list[LevelStats], rule: Selection) -> tuple[int | None, dict[str, str]]:
    """Choose the allowed level nearest to the target, the milder of two equally near ones.

    Returns the level (None when none is allowed) and the reason for each level not allowed.
    """
    refused: dict[str, str] = {}
    allowed: list[tuple[float, int]] = []
    for each in levels:
        value = (each.expected_max if rule.measure == "best" else each.mean).value
        why = _refusal(each, rule) if value is not None else "nothing was scored"
        if why or value is None:
            refused[str(each.level)] = why
        else:
            allowed.append((abs(value - rule.target), each.level))
    return (min(allowed)[1] if allowed else None), refused


def _refusal(each: LevelStats, rule: Selection) -> str:
    wanted = (
        ("HARD", each.hard.value or 0.0, rule.min_hard, True),
        ("EASY", each.easy.value or 0.0, rule.min_easy, True),
        ("leaking", each.leak.value or 0.0, rule.max_leak, False),
    )
    return ", ".join(
        f"{name} {value:.1%}, {'at least' if least else 'at most'} {bound:.1%} required"
        for name, value, bound, least in wanted
        if (value < bound if least else value > bound)
    )


def _effect(span: Interval | None) -> str:
    if span is None or span.low is None or span.high is None:
        return "unknown"
    if span.high < 0:
        return "as meant"
    return "reversed" if span.low > 0 else "none"


class _Waiting:
    """A level whose sums are in the tally, before the sweep."""

    def __init__(
        self,
        tally: Tally,
        level: int,
        built: Level,
        start: int,
        total: int,
        hard: float,
        easy: float,
        width: int,
    ) -> None:
        rows = built.rows
        scored = rows.has_scores()
        mask: Bools = np.zeros(total, dtype=np.bool_)
        mask[start : start + len(rows)] = scored
        scores = rows.scores[scored]
        self._level, self._built = level, built
        self._changes = noise(rows, built.audits, (hard, easy))
        self._cell = tally.cell(mask)
        self._tops: Floats = np.nanmax(scores, axis=1) if len(scores) else np.empty(0)
        self._ordered = maxima.ordered_columns(tally, self._cell, scores[:, :width])
        # Two levels are subtracted as one column each, the expected maximum of every row.
        expected = maxima.expected(scores[:, :width], width) if width else np.empty(0)
        self._top = tally.column(self._cell, expected)
        self._hard = tally.flags(self._cell, self._tops < hard)
        self._easy = tally.flags(self._cell, self._tops >= easy)
        self._leak = tally.flags(self._cell, rows.leaking[scored])
        self._bins = bimodality.bin_columns(tally, self._cell, self._tops)
        self._none: Column | None = None
        values = rows.baselines.get("no_context")
        if values is not None:
            answered = ~np.isnan(values[:, 0])
            of_baseline: Bools = np.zeros(total, dtype=np.bool_)
            of_baseline[start : start + len(rows)] = answered
            self._none = tally.column(tally.cell(of_baseline), np.nanmean(values[answered], axis=1))

    def less(self, sweep: Sweep, other: _Waiting) -> Interval | None:
        """Subtract another level's expected maximum from this one's, paired by document."""
        if not len(self._tops) or not len(other._tops):
            return None
        return sweep.difference(self._top, other._top)

    def read(self, sweep: Sweep, before: _Waiting | None) -> LevelStats:
        """Return the level with its intervals."""
        curve = maxima.curve(sweep, self._ordered) if self._ordered else (sweep.mean(self._top),)
        return LevelStats(
            self._level,
            self._built.planned,
            int((self._built.rows.statuses != "local").sum()),
            len(self._tops),
            self._cell.documents,
            curve[0],
            curve[-1],
            share(sweep, self._hard),
            share(sweep, self._easy),
            self._changes,
            share(sweep, self._leak),
            bimodality.valley_ratio(sweep, self._bins),
            bimodality.sarle(self._tops) if len(self._tops) else None,
            sweep.mean(self._none) if self._none is not None else None,
            self.less(sweep, before) if before is not None else None,
        )
