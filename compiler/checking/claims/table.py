"""Markdown pipe tables, found by their header and their rule, wherever they stand."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

_HEADING = re.compile(r"#{1,6}\s+(.*)")


@dataclass(frozen=True, slots=True)
class Cell:
    """The text of a cell and its column on the line, from 1."""

    text: str
    column: int

    @property
    def plain(self) -> str:
        """Without emphasis and code marks."""
        return self.text.replace("*", "").replace("`", "").strip()


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a table: its line number from 1, its text, its cells (may be too few)."""

    number: int
    text: str
    cells: tuple[Cell, ...]

    def cell(self, place: int) -> Cell | None:
        """A cell, or None where the row ends before it."""
        return self.cells[place] if place < len(self.cells) else None


@dataclass(frozen=True, slots=True)
class Table:
    """`header`: lower-case, without marks. `heading`: the section's. `before`: the line above."""

    line: int
    header: tuple[str, ...]
    rows: tuple[Line, ...]
    heading: str
    before: str

    def place(self, *names: str) -> int | None:
        """The first column with one of these headers."""
        return next((i for i, name in enumerate(self.header) if name in names), None)


def tables(lines: Sequence[str]) -> Iterator[Table]:
    """Every table of a card; `lines` without their ends."""
    heading = before = ""
    at = 0
    while at < len(lines):
        line = lines[at]
        found = _HEADING.match(line)
        if found:
            heading, before = found[1], ""
        if "|" in line and at + 1 < len(lines) and _is_rule(lines[at + 1]):
            end = at + 2
            while end < len(lines) and "|" in lines[end]:
                end += 1
            header = tuple(cell.plain.casefold() for cell in _cells(line))
            rows = tuple(Line(n + 1, lines[n], _cells(lines[n])) for n in range(at + 2, end))
            yield Table(at + 1, header, rows, heading, before)
            at = end
            continue
        before = line if line.strip() else before
        at += 1


def _is_rule(line: str) -> bool:
    return "-" in line and "|" in line and not set(line) - set("|:- \t")


def _cells(line: str) -> tuple[Cell, ...]:
    """The cells between pipes; an escaped pipe belongs to its cell."""
    starts = [-1, *(m.start() for m in re.finditer(r"(?<!\\)\|", line)), len(line)]
    parts = [(line[a + 1 : b], a + 1) for a, b in pairwise(starts)]
    if parts and not parts[0][0].strip():
        parts = parts[1:]
    if len(parts) > 1 and not parts[-1][0].strip():
        parts = parts[:-1]
    return tuple(
        Cell(text.strip(), start + len(text) - len(text.lstrip()) + 1) for text, start in parts
    )
