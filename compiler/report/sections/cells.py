"""Columns and names of cells and of their scores, the same in every table and plot."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.report.numbers import short
from compiler.report.tree import ALL, Column, word
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats

CHANGES = "band changes when judged again"
CELL: tuple[Column, ...] = (word("scope"), word("target"))


def place(cell: CellStats) -> tuple[str, str]:
    """Return the scope and target of a cell, "all" for a cell over all of them."""
    return cell.scope or ALL, cell.target or ALL


def untyped(stats: Stats) -> Iterator[CellStats]:
    """Yield the cells with scores over both typicality labels; all rows come last."""
    return (cell for cell in stats.cells if cell.rows and not cell.typicality)


def typed(stats: Stats) -> Iterator[CellStats]:
    """Yield the cells with scores of one typicality label."""
    return (cell for cell in stats.cells if cell.rows and cell.typicality)


def expected_max(stats: Stats) -> str:
    """Name the expected maximum over the rollouts that every row has: `expected max of 5`."""
    return f"expected max of {len(stats.pooled.expected_max)}"


def hard(stats: Stats) -> str:
    """Name the share of HARD probes: `HARD (max < 0.4)`."""
    return f"HARD (max < {short(stats.hard_below)})"


def easy(stats: Stats) -> str:
    """Name the share of EASY probes: `EASY (max >= 0.8)`."""
    return f"EASY (max >= {short(stats.easy_from)})"


def again(stats: Stats, cell: CellStats) -> Interval:
    """Return the share of a cell's probes whose band changes when they are judged again."""
    found = {each.place: each.changes for each in stats.judge.noise}
    return found.get((cell.scope, cell.target, cell.typicality), Interval(None, None, None, 0, 0))
