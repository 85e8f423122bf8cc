"""Plots of other readers, and of blind scores by distance."""

from __future__ import annotations

from compiler.report.figures.figure import Figure, Panel, of, open_cells, place, top_of
from compiler.report.plots.dots import Dot, dots
from compiler.report.plots.steps import Step, steps
from compiler.report.sections.readers import BELOW, distance, ordered, reader
from compiler.spec.scoring import Anchors
from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats

_BLIND = "blind"


def baselines(stats: Stats, limits: Anchors) -> Figure:
    """Plot mean scores of all readers, from the question alone to full information."""
    return Figure(
        tuple(
            Panel(
                place(cell),
                dots(_readers(cell), "mean score"),
                of(cell.rows, cell.documents) + " with blind scores",
            )
            for cell in open_cells(stats)
            if cell.baselines
        )
    )


def _readers(cell: CellStats) -> list[Dot]:
    found = [(each.name, each.mean) for each in ordered(cell)]
    found.insert(sum(name in BELOW for name, _ in found), (_BLIND, cell.mean))
    return [
        Dot(reader(name), mean, cell.target if name == _BLIND else "plain") for name, mean in found
    ]


def distances(stats: Stats, limits: Anchors) -> Figure:
    """Plot the mean score against the distance from the split."""
    cells = [cell for cell in open_cells(stats) if cell.distances]
    top = top_of(each.mean.high or each.mean.value for cell in cells for each in cell.distances)
    return Figure(
        tuple(
            Panel(
                place(cell),
                steps(
                    [Step(distance(d), f"n {d.mean.n:,}", d.mean) for d in cell.distances],
                    f"distance from the split, in units of {cell.scope}",
                    cell.target,
                    top,
                ),
                of(cell.rows, cell.documents),
            )
            for cell in cells
        )
    )  # fmt: skip
