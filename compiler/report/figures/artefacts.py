"""Plots of dataset-level artifacts."""

from __future__ import annotations

from compiler.probes.checks import CHECKS
from compiler.report.figures.figure import Figure, Panel
from compiler.report.numbers import short_percent
from compiler.report.plots import canvas
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.report.plots.shares import Share, shares
from compiler.spec.scoring import Anchors
from compiler.statistics.artefacts import ArtefactStats
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.stats import Stats

_LOW_ACCURACY = 0.4


def flags(stats: Stats, limits: Anchors) -> Figure:
    """Plot the shares of all rows by the rules that they break."""
    found = sorted(stats.flags.items(), key=lambda each: (-each[1], each[0]))
    bars = [Share(_named(name), count / stats.probes, count) for name, count in found]
    return Figure((Panel("broken rules", shares(bars, "share of all rows")),), wide=True)


def _named(name: str) -> str:
    """Return the reason of a flag in words."""
    return CHECKS[name].reason.replace("_", " ") if name in CHECKS else name


def repeated(stats: Stats, limits: Anchors) -> Figure:
    """Plot the shares of repeated questions."""
    cells = [cell for cell in stats.artefacts if cell.questions]
    values = [cell.repeated / cell.questions for cell in cells]
    found = [
        Dot(_place(cell), Interval(value, None, None, cell.questions, 0), cell.target)
        for cell, value in zip(cells, values, strict=True)
    ]
    high = canvas.ceiling(max(values, default=0.0))
    limit = (Mark(0.05, "limit 5%"),)
    drawn = dots(found, "share of written questions", 0.0, high, limit, short_percent)
    return Figure((Panel("repeated questions", drawn),) if found else ())


def choice(stats: Stats, limits: Anchors) -> Figure:
    """Plot the choice-only accuracy of every cell."""
    known = [
        each.low or each.value
        for each in (cell.choice.won for cell in stats.artefacts)
        if each.value is not None
    ]
    drawn = dots(
        [Dot(_place(cell), cell.choice.won, cell.target) for cell in stats.artefacts],
        "share of pairs",
        0.0 if min(known) < _LOW_ACCURACY else _LOW_ACCURACY,
        1.0,
        (Mark(0.5, "chance"), Mark(0.6, "limit")),
    )
    return Figure((Panel("choice-only accuracy", drawn),))


def _place(cell: ArtefactStats) -> str:
    return f"{cell.scope}, {cell.target}"
