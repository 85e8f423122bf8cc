"""Headline of a report: bands and scores of every scope and target, and warnings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.probes.reasons import STATUSES
from compiler.report import numbers
from compiler.report.figures.figure import open_cells
from compiler.report.sections.artefacts import violations
from compiler.report.sections.cells import CHANGES, again, easy, expected_max, hard
from compiler.report.sections.judge import KINDS
from compiler.spec.scoring import Anchors
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import SCORED
from compiler.statistics.reliability import excessive
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


def headline(stats: Stats, limits: Anchors) -> Headline:
    """Collect bands, mean score and expected maximum of every scope and target, and warnings.

    `limits`: on the mean scores of anchors, with which a build passes.
    """
    noise = stats.judge.noise
    lines = tuple(
        Line(
            cell.scope,
            cell.target,
            cell.rows,
            cell.documents,
            (
                _share(cell.hard),
                _share(cell.easy),
                *((_share(again(stats, cell)),) if noise else ()),
                _score(cell.mean),
                _score(cell.top),
            ),
        )
        for cell in open_cells(stats)
    )
    changes = (CHANGES,) if noise else ()
    names = (hard(stats), easy(stats), *changes, "mean score", expected_max(stats))
    return Headline(names, lines, tuple(_warnings(stats, limits)))


def _warnings(stats: Stats, limits: Anchors) -> Iterator[str]:
    for each in stats.judge.gaps:
        if each.gap.value is not None and each.gap.value < limits.min_gap:
            yield (
                f"{each.scope}: the judge scores the truth only {numbers.score(each.gap.value)} "
                f"above the alternative, less than {numbers.short(limits.min_gap)}; its scores in "
                "this scope are unreliable."
            )
    for wrong in excessive(stats.judge, limits.max_wrong):
        mean = numbers.score(wrong.mean.value)
        yield (
            f"{wrong.scope}: the judge gives {KINDS[wrong.kind][0]} {mean} on average, more than "
            f"{numbers.short(limits.max_wrong)}; its scores in this scope are unreliable."
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
