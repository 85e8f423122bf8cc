"""Cells as rows of tables: their columns and names, the same in every table."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.report.numbers import short
from compiler.report.tree import ALL, Column, word
from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats

CELL: tuple[Column, ...] = (word("scope"), word("target"))


def place(cell: CellStats) -> tuple[str, str]:
    """The scope and target of a cell."""
    return cell.scope or ALL, cell.target or ALL


def untyped(stats: Stats) -> Iterator[CellStats]:
    """Cells with scores over both labels of typicality; the pooled one is last."""
    return (cell for cell in stats.cells if cell.rows and not cell.typicality)


def typed(stats: Stats) -> Iterator[CellStats]:
    """Cells with scores of one label of typicality."""
    return (cell for cell in stats.cells if cell.rows and cell.typicality)


def expected_max(stats: Stats) -> str:
    """The name of the expected maximum over the rollouts that every row has."""
    return f"expected max of {len(stats.pooled.expected_max)}"


def hard(stats: Stats) -> str:
    """The name of the share of HARD probes."""
    return f"HARD (max < {short(stats.hard_below)})"


def easy(stats: Stats) -> str:
    """The name of the share of EASY probes."""
    return f"EASY (max >= {short(stats.easy_from)})"
