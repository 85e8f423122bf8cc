"""The few numbers that matter, per scope and target, and what to look at first."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.probes.reasons import STATUSES
from compiler.report.figures.artefacts import broken
from compiler.report.figures.figure import open_cells
from compiler.report.plots.canvas import percent
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import SCORED
from compiler.statistics.stats import Stats


@dataclass(frozen=True)
class Number:
    """`value` large, `bounds` small below it."""

    value: str
    bounds: str


@dataclass(frozen=True)
class Line:
    """One scope and target."""

    scope: str
    target: str
    rows: int
    documents: int
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Headline:
    """`names`: of the numbers of every line. `warnings`: what breaks a rule of the whole set."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]


def headline(stats: Stats, min_gap: float) -> Headline:
    """Shares, mean and maximum of every scope and target; no line is pooled over them."""
    lines = tuple(
        Line(
            cell.scope,
            cell.target,
            cell.rows,
            cell.documents,
            (_share(cell.hard), _share(cell.easy), _score(cell.mean), _score(cell.top)),
        )
        for cell in open_cells(stats)
    )
    names = (
        f"HARD (best < {stats.hard_below:g})",
        f"EASY (best ≥ {stats.easy_from:g})",
        "mean blind score",
        f"expected best of {len(stats.pooled.best)}",
    )
    return Headline(names, lines, tuple(_warnings(stats, min_gap)))


def _warnings(stats: Stats, min_gap: float) -> Iterator[str]:
    for each in stats.judge.gaps:
        if each.gap.value is not None and each.gap.value < min_gap:
            yield (
                f"{each.scope}: the judge scores the truth only {each.gap.value:.2f} above the "
                f"wrong alternative, less than {min_gap:g}; its scores in this scope mean little."
            )
    for scope in stats.scopes:
        for status, count in scope.statuses.items():
            if status not in (*SCORED, _LOCAL):
                meaning = STATUSES.get(status, "no blind scores")
                yield f"{scope.scope}: {count:,} of {scope.built:,} rows {status} ({meaning})."
    yield from broken(stats)


_LOCAL = "local"


def _share(found: Interval) -> Number:
    if found.value is None:
        return Number("-", "")
    return Number(percent(round(found.value, 3)), _bounds(found, 100, 0))


def _score(found: Interval) -> Number:
    return Number("-" if found.value is None else f"{found.value:.3f}", _bounds(found, 1, 2))


def _bounds(found: Interval, times: int, digits: int) -> str:
    if found.low is None or found.high is None:
        return "too few"
    return f"{times * found.low:.{digits}f}–{times * found.high:.{digits}f}"
