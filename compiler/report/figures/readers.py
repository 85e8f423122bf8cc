"""Other readers of the same questions, and how far from the split blind answers still succeed."""

from __future__ import annotations

from compiler.report.card import interval
from compiler.report.figures.figure import (
    Figure,
    Panel,
    Section,
    Table,
    of,
    open_cells,
    place,
    pooled_too,
    top_of,
)
from compiler.report.plots.dots import Dot, dots
from compiler.report.plots.steps import Step, steps
from compiler.statistics.scores import BaselineStats, CellStats, DistanceStats
from compiler.statistics.stats import Stats

# From who sees least to who sees most; the blind reader stands between them.
_BELOW = ("no_context", "shuffled_context")
_BLIND = "blind"


def section(stats: Stats) -> Section:
    """Baselines where they ran, distances where rows have them."""
    lead = (
        "What a question gives away by itself is the floor, what a reader with the atom in hand "
        "can say is the ceiling. A method that reads hidden states has something to show between "
        "the blind reader and the ceiling."
    )
    if not stats.pooled.rows:
        return Section("readers", "Other readers", lead, (), ("No row has blind scores.",))
    figures, absent = [], []
    if any(cell.baselines for cell in open_cells(stats)):
        figures.append(_ladder(stats))
    else:
        absent.append(
            "No other reader answered these questions: a spec asks for them under "
            "scoring.baselines (no_context, shuffled_context, full_information)."
        )
    if any(cell.distances for cell in open_cells(stats)):
        figures.append(_distances(stats))
    else:
        absent.append("No scored row says how far its atom lies from the split (abs_index).")
    return Section("readers", "Other readers", lead, tuple(figures), tuple(absent))


def _ladder(stats: Stats) -> Figure:
    panels = tuple(
        Panel(
            place(cell),
            dots(_rungs(cell), "mean score"),
            of(cell.rows, cell.documents) + " with blind scores",
        )
        for cell in open_cells(stats)
        if cell.baselines
    )
    rows = tuple(
        (
            place(cell),
            _named(each.name),
            f"{each.rows:,}",
            f"{each.rollouts}",
            interval(each.mean),
            interval(each.gap),
        )
        for cell in pooled_too(stats)
        for each in _ordered(cell)
    )
    return Figure(
        "From the question alone to full information",
        "Mean score of each reader of the same questions, with its interval; “shuffled context” "
        "reads another document and should do no better than no context.",
        "No context near blind (the questions give themselves away), or full information far "
        "below 1 (the answer or the judge falls short, and HARD means less).",
        panels,
        Table(("cell", "reader", "n", "answers each", "mean", "less blind, paired"), rows, 2),
    )


def _rungs(cell: CellStats) -> list[Dot]:
    found = [(each.name, each.mean) for each in _ordered(cell)]
    below = sum(name in _BELOW for name, _ in found)
    found.insert(below, (_BLIND, cell.mean))
    return [
        Dot(_named(name), mean, cell.target if name == _BLIND else "plain") for name, mean in found
    ]


def _ordered(cell: CellStats) -> list[BaselineStats]:
    """No context, shuffled context, then those who see more."""
    return sorted(
        cell.baselines,
        key=lambda each: _BELOW.index(each.name) if each.name in _BELOW else len(_BELOW),
    )


def _named(name: str) -> str:
    return name.replace("_", " ")


def _distances(stats: Stats) -> Figure:
    cells = [cell for cell in open_cells(stats) if cell.distances]
    top = top_of(each.mean.high or each.mean.value for cell in cells for each in cell.distances)
    panels = tuple(
        Panel(
            place(cell),
            steps(
                [Step(_range(each), f"n {each.mean.n:,}", each.mean) for each in cell.distances],
                f"distance from the split, in units of {cell.scope}",
                cell.target,
                top,
            ),
            of(cell.rows, cell.documents),
        )
        for cell in cells
    )
    rows = tuple(
        (
            place(cell),
            _range(each),
            f"{each.mean.n:,}",
            interval(each.mean),
            interval(each.best),
        )
        for cell in cells
        for each in cell.distances
    )
    return Figure(
        "Blind score by distance from the split",
        "Mean blind score of probes whose atom lies so many units away; 1 touches the split.",
        "High scores right at the split only: near atoms then continue the sentence that the "
        "reader sees, and test local prediction.",
        panels,
        Table(("cell", "distance", "n", "mean", "E[max]"), rows, 2),
    )


def _range(each: DistanceStats) -> str:
    if not each.high:
        return f"{each.low}+"
    return f"{each.low}" if each.low == each.high else f"{each.low}–{each.high}"
