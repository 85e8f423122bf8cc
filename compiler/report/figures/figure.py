"""What a section of the report is made of: figures of panels, and tables that say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats


@dataclass(frozen=True)
class Panel:
    """One picture. `svg`: markup, its texts escaped; `note`: what it is of, in numbers."""

    title: str
    svg: str
    note: str = ""


@dataclass(frozen=True)
class Table:
    """Plain texts. The first `labels` and the last `notes` columns are words, others numbers."""

    header: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    labels: int = 1
    notes: int = 0

    def worded(self, index: int) -> bool:
        """Whether a column, from 0, holds words."""
        return index < self.labels or index >= len(self.header) - self.notes


@dataclass(frozen=True)
class Figure:
    """`reading`: one sentence on how to read it; `watch`: what to watch for, where that is clear.

    `wide`: panels are long lists, so fewer stand side by side. A figure without panels shows its
    table at once.
    """

    title: str
    reading: str
    watch: str
    panels: tuple[Panel, ...]
    table: Table
    wide: bool = False


@dataclass(frozen=True)
class Section:
    """`notes`: what is not here and why, and what needs no figure; one sentence each."""

    name: str
    title: str
    lead: str
    figures: tuple[Figure, ...]
    notes: tuple[str, ...] = ()


def open_cells(stats: Stats) -> list[CellStats]:
    """Cells of one scope and one target with scores, over both labels of typicality."""
    return [cell for cell in stats.cells if cell.rows and cell.scope and not cell.typicality]


def pooled_too(stats: Stats) -> list[CellStats]:
    """The same, and the pooled one last: for tables, where it says that it is pooled."""
    return [*open_cells(stats), *([stats.pooled] if stats.pooled.rows else [])]


def place(cell: CellStats) -> str:
    """`sentence, suffix, typical`, or that it is pooled."""
    return ", ".join(cell.name.split(" ")) if cell.scope else "all, pooled"


def of(rows: int, documents: int) -> str:
    """`52 probes of 38 documents`."""
    return f"{rows:,} probe{'s'[: rows != 1]} of {documents:,} document{'s'[: documents != 1]}"


def listed(items: Sequence[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    return " and ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)


def top_of(values: Iterator[float | None]) -> float:
    """The end of a scale for scores: a round number that holds all of them, at most 1."""
    highest = max((value for value in values if value is not None), default=0.0)
    return next((top for top in (0.2, 0.4, 0.6, 0.8) if top >= highest * 1.08), 1.0)
