"""Plain-text renderer of tables for a terminal."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from compiler.report.numbers import count, score
from compiler.report.tree import Table

# The width of running text; a table is as wide as its columns.
_WIDTH = 100


def render(table: Table) -> str:
    """Render a table: the title with its meaning, then aligned columns."""
    columns = _aligned(table.header, table.cells, [not column.words for column in table.columns])
    return f"{textwrap.fill(f'{table.title}: {table.meaning}', _WIDTH)}\n{columns}"


def table(header: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Render rows of values as aligned columns; numbers to the right, the rest to the left."""
    right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        for i in range(len(header))
    ]
    return _aligned(header, [[_cell(value) for value in row] for row in rows], right)


def _aligned(header: Sequence[str], cells: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]

    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if flush else value.ljust(width)
            for value, width, flush in zip(values, widths, right, strict=True)
        )
        return "  ".join(padded).rstrip()

    return "\n".join([line(header), line(["-" * w for w in widths]), *(line(r) for r in cells)])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return score(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return count(value)
    return str(value)
