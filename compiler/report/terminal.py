"""Plain-text renderer of tables for a terminal.

A table that is wider than the terminal has its words broken into lines, those of its widest columns
first; if its numbers alone are too wide, it is cut into blocks below one another.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Sequence

from compiler.report.numbers import count, score
from compiler.report.screen import PLAIN, Screen
from compiler.report.tree import Table

_GAP = 2
# The width below which no column of words is broken.
_NARROW = 12


def render(table: Table, screen: Screen = PLAIN) -> str:
    """Render a table: the title with its meaning, then aligned columns."""
    right = [not column.words for column in table.columns]
    title = textwrap.wrap(f"{table.title}: {table.meaning}", screen.text_width)
    head = screen.paint(table.title, "bold") + title[0].removeprefix(table.title)
    if not title[0].startswith(table.title):
        head = title[0]
    return "\n".join([head, *title[1:], _fitted(table.header, table.cells, right, screen.width)])


def table(header: Sequence[str], rows: Sequence[Sequence[object]], screen: Screen = PLAIN) -> str:
    """Render rows of values as aligned columns; numbers to the right, the rest to the left."""
    right = [
        bool(rows) and all(isinstance(row[i], int | float | None) for row in rows)
        for i in range(len(header))
    ]
    return _fitted(header, [[_cell(value) for value in row] for row in rows], right, screen.width)


def _fitted(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    right: Sequence[bool],
    width: int | None,
) -> str:
    """Render aligned columns within a width, None for no limit."""
    widths = [max(map(len, column)) for column in zip(header, *cells, strict=True)]
    if width is None or _total(widths) <= width:
        return _aligned(header, cells, right, widths)
    narrow = _narrowed(header, cells, right, widths, width)
    parts = []
    for block in _blocks(narrow, right, width):
        heads, flush = [header[i] for i in block], [right[i] for i in block]
        own = [[row[i] for i in block] for row in cells]
        # A block has room for wider columns than the whole table.
        fitted = _narrowed(heads, own, flush, [widths[i] for i in block], width)
        parts.append(_aligned(heads, own, flush, fitted))
    return "\n\n".join(parts)


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + _GAP * (len(widths) - 1)


def _narrowed(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    right: Sequence[bool],
    widths: Sequence[int],
    width: int,
) -> list[int]:
    """Narrow the columns, widest first, as far as their words and numbers allow."""
    least = []
    for column, name in enumerate(header):
        own = [row[column] for row in cells]
        words = [word for each in (name, *([] if right[column] else own)) for word in each.split()]
        numbers = own if right[column] else []
        floor = max(map(len, (*words, *numbers)), default=0)
        least.append(min(widths[column], floor if right[column] else max(floor, _NARROW)))
    found = [*widths]
    while _total(found) > width:
        widest = max(range(len(found)), key=lambda each: found[each] - least[each])
        if found[widest] == least[widest]:
            break
        found[widest] -= 1
    return found


def _blocks(widths: Sequence[int], right: Sequence[bool], width: int) -> list[list[int]]:
    """Distribute columns over blocks that fit; each begins with those that name the row.

    They are the leading columns of words, or the first column if it is of numbers or all are words.
    """
    leading = 0
    while leading < len(right) and not right[leading]:
        leading += 1
    leading = max(leading, 1) if leading < len(right) else 1
    while leading > 2 and _total(widths[:leading]) > width // 2:
        leading -= 1
    keys = list(range(leading))
    blocks = [[*keys]]
    for column in range(leading, len(widths)):
        own = blocks[-1]
        if len(own) > leading and _total([widths[i] for i in (*own, column)]) > width:
            blocks.append([*keys])
        blocks[-1].append(column)
    return blocks


def _aligned(
    header: Sequence[str],
    cells: Sequence[Sequence[str]],
    right: Sequence[bool],
    widths: Sequence[int],
) -> str:
    def line(values: Sequence[str]) -> str:
        padded = (
            value.rjust(width) if flush else value.ljust(width)
            for value, width, flush in zip(values, widths, right, strict=True)
        )
        return (" " * _GAP).join(padded).rstrip()

    def lines(values: Sequence[str]) -> Iterator[str]:
        broken = [
            [value] if len(value) <= width else textwrap.wrap(value, width)
            for value, width in zip(values, widths, strict=True)
        ]
        for place in range(max(map(len, broken))):
            yield line([each[place] if place < len(each) else "" for each in broken])

    rules = line(["-" * width for width in widths])
    return "\n".join([*lines(header), rules, *(each for row in cells for each in lines(row))])


def _cell(value: object) -> str:
    if isinstance(value, float):
        return score(value)
    if value is None or (isinstance(value, int) and not isinstance(value, bool)):
        return count(value)
    return str(value)
