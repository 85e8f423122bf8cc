"""Markdown renderer of tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.report.tree import Table


def render(table: Table) -> str:
    """Render a table in pipes, with numbers aligned to the right."""
    aligned = ("---" if column.words else "---:" for column in table.columns)
    lines = [_line(table.header), f"|{'|'.join(aligned)}|", *map(_line, table.cells)]
    return "\n".join(lines)


def _line(cells: tuple[str, ...]) -> str:
    return f"| {' | '.join(each.replace('|', chr(92) + '|') for each in cells)} |"
