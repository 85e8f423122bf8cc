"""Figures: panels of plots that show the numbers of one table."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats


@dataclass(frozen=True)
class Panel:
    """One plot. `svg`: markup with escaped texts; `note`: the sample that it shows."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Figure:
    """The panels of one table. `wide`: they are long lists, so fewer are placed side by side."""

    panels: tuple[Panel, ...]
    wide: bool = False


def open_cells(stats: Stats) -> list[CellStats]:
    """List the cells of one scope and one target with scores, over both typicality labels."""
    return [cell for cell in stats.cells if cell.rows and cell.scope and not cell.typicality]


def place(cell: CellStats) -> str:
    """Name a cell: `sentence, suffix, typical`."""
    return ", ".join(cell.name.split(" "))


def of(rows: int, documents: int) -> str:
    """Describe a sample: `52 probes of 38 documents`."""
    return f"{rows:,} probe{'s'[: rows != 1]} of {documents:,} document{'s'[: documents != 1]}"


def top_of(values: Iterator[float | None]) -> float:
    """Return the end of a scale for scores: a round number above all of them, at most 1."""
    highest = max((value for value in values if value is not None), default=0.0)
    return next((top for top in (0.2, 0.4, 0.6, 0.8) if top >= highest * 1.08), 1.0)
