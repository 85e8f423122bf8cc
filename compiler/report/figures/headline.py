"""Headline of a report: bands and scores of every scope and target, and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.probes.reasons import STATUSES
from compiler.report import numbers
from compiler.report.figures.figure import open_cells
from compiler.report.sections.artefacts import violations
from compiler.report.sections.cells import easy, expected_max, hard
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import SCORED
from compiler.statistics.stats import Stats

_LOCAL = "local"


@dataclass(frozen=True)
class Number:
    """One number. `value`: shown large; `bounds`: its interval, shown small below."""

    value: str
    bounds: str


@dataclass(frozen=True)
class Line:
    """The numbers of one scope and target."""

    scope: str
    target: str
    rows: int
    documents: int
    numbers: tuple[Number, ...]


@dataclass(frozen=True)
class Headline:
    """Lines of numbers. `names`: headers of the numbers; `warnings`: about the whole dataset."""

    names: tuple[str, ...]
    lines: tuple[Line, ...]
    warnings: tuple[str, ...]


def headline(stats: Stats, min_gap: float) -> Headline:
    """Collect bands, mean score and expected maximum of every scope and target, and warnings.

    `min_gap`: the least mean difference of truth and alternative that a build passes with.
    """
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
    names = (hard(stats), easy(stats), "mean score", expected_max(stats))
    return Headline(names, lines, tuple(_warnings(stats, min_gap)))


def _warnings(stats: Stats, min_gap: float) -> Iterator[str]:
    for each in stats.judge.gaps:
        if each.gap.value is not None and each.gap.value < min_gap:
            yield (
                f"{each.scope}: the judge scores the truth only {numbers.score(each.gap.value)} "
                f"above the alternative, less than {numbers.short(min_gap)}; its scores in this "
                "scope are unreliable."
            )
    for scope in stats.scopes:
        for status, count in scope.statuses.items():
            if status not in (*SCORED, _LOCAL):
                meaning = STATUSES.get(status, "no blind scores")
                yield (
                    f"{scope.scope}: {count:,} of {scope.built:,} rows have the status {status} "
                    f"({meaning})."
                )
    broken = violations(stats)
    for check, cell, detail, meaning in broken.cells if broken is not None else ():
        yield f"rule {check} is broken in {cell} ({detail}): {meaning}."


def _share(found: Interval) -> Number:
    return Number(numbers.percent(found.value), _bounds(found, 100, 1))


def _score(found: Interval) -> Number:
    return Number(numbers.score(found.value), _bounds(found, 1, 3))


def _bounds(found: Interval, times: int, digits: int) -> str:
    if found.value is None:
        return ""
    if found.low is None or found.high is None:
        return "too few"
    return f"[{times * found.low:.{digits}f}, {times * found.high:.{digits}f}]"
