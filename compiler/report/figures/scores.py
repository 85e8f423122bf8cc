"""Plots of blind scores."""

from __future__ import annotations

from compiler.report.figures.figure import Figure, Panel, of, open_cells, place, top_of
from compiler.report.numbers import short_percent
from compiler.report.plots import canvas
from compiler.report.plots.curve import curve
from compiler.report.plots.dots import Dot, dots
from compiler.report.plots.histogram import Bars, histogram, histograms
from compiler.report.sections.cells import easy, hard
from compiler.spec.scoring import Anchors
from compiler.statistics.scores import EDGES, CellStats
from compiler.statistics.stats import Stats


def overview(stats: Stats) -> Panel:
    """Plot histograms of the maximum by scope, with both targets side by side."""
    by_scope: dict[str, list[CellStats]] = {}
    for cell in open_cells(stats):
        by_scope.setdefault(cell.scope, []).append(cell)
    rows = {
        scope: [Bars(cell.target, cell.histogram) for cell in cells]
        for scope, cells in by_scope.items()
    }
    drawn = histograms(rows, EDGES, stats.hard_below, stats.easy_from)
    note = "share of each scope and target"
    return Panel("Maximum blind score of a probe", drawn, note)


def distribution(stats: Stats, limits: Anchors) -> Figure:
    """Plot a histogram of the maximum for each cell; HARD and EASY are shaded."""
    cells = open_cells(stats)
    top = canvas.ceiling(max(max(c.histogram) / sum(c.histogram) for c in cells) * 1.08)
    return Figure(
        tuple(
            Panel(
                place(cell),
                histogram(
                    cell.histogram, EDGES, stats.hard_below, stats.easy_from, top, cell.target
                ),
                of(cell.rows, cell.documents),
            )
            for cell in cells
        )
    )


def maxima(stats: Stats, limits: Anchors) -> Figure:
    """Plot the expected maximum against k, with its interval as a band."""
    cells = open_cells(stats)
    top = top_of(each.high or each.value for cell in cells for each in cell.expected_max)
    return Figure(
        tuple(
            Panel(
                place(cell),
                curve(cell.expected_max, "expected max of k", cell.target, top),
                of(cell.rows, cell.documents),
            )
            for cell in cells
        )
    )


def bands(stats: Stats, limits: Anchors) -> Figure:
    """Plot the shares of HARD and EASY; cells of one typicality label follow the cell of both."""
    cells = [cell for cell in stats.cells if cell.rows and cell.scope]
    chosen = (
        (hard(stats), [cell.hard for cell in cells]),
        (easy(stats), [cell.easy for cell in cells]),
    )
    panels = tuple(
        Panel(
            title,
            dots(
                [Dot(_short(c), each, _kind(c)) for c, each in zip(cells, found, strict=True)],
                "share of probes",
                shown=short_percent,
            ),
        )
        for title, found in chosen
    )
    return Figure(panels, wide=True)


def unsolved(stats: Stats, limits: Anchors) -> Figure:
    """Plot the re-solve rates by new rollouts and by held-out ones."""
    chosen = [(cell, cell.unsolved) for cell in open_cells(stats) if cell.unsolved is not None]
    k = len(stats.pooled.expected_max)
    drawn = (
        (f"re-solved by {k} new", [(c, found.fresh) for c, found in chosen]),
        ("re-solved by 2 held out", [(c, found.held_out) for c, found in chosen]),
    )
    panels = tuple(
        Panel(
            title,
            dots(
                [Dot(_short(cell), found, cell.target) for cell, found in each],
                "share of probes never solved",
                shown=short_percent,
            ),
        )
        for title, each in drawn
    )
    return Figure(panels, wide=True)


def _short(cell: CellStats) -> str:
    return f"· {cell.target}, {cell.typicality}" if cell.typicality else place(cell)


def _kind(cell: CellStats) -> str:
    return f"{cell.target} part" if cell.typicality else cell.target
