"""Panels of pictures that show the numbers of one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats


@dataclass(frozen=True)
class Panel:
    """One picture. `svg`: markup, its texts escaped; `note`: the number of its probes."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """`wide`: the panels are long lists, so fewer stand side by side."""

    panels: tuple[Panel, ...]
    wide: bool = False


def open_cells(stats: Stats) -> list[CellStats]:
    """Cells of one scope and one target with scores, over both labels of typicality."""
    return [cell for cell in stats.cells if cell.rows and cell.scope and not cell.typicality]


def place(cell: CellStats) -> str:
    """`sentence, suffix, typical`."""
    return ", ".join(cell.name.split(" "))


def of(rows: int, documents: int) -> str:
    """`52 probes of 38 documents`."""
    return f"{rows:,} probe{'s'[: rows != 1]} of {documents:,} document{'s'[: documents != 1]}"


def top_of(values: Iterator[float | None]) -> float:
    """The end of a scale for scores: a round number that holds all of them, at most 1."""
    highest = max((value for value in values if value is not None), default=0.0)
    return next((top for top in (0.2, 0.4, 0.6, 0.8) if top >= highest * 1.08), 1.0)
