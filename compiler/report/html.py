"""HTML renderer of tables."""

from __future__ import annotations

from html import escape

from compiler.report.passages import visible
from compiler.report.tree import Table


def render(table: Table) -> str:
    """Render a table as HTML in a scrolling box; texts are escaped, control characters visible."""
    kinds = [' class="word"' if column.words else "" for column in table.columns]
    heads = (
        f'<th{kind} scope="col">{_text(name)}</th>'
        for kind, name in zip(kinds, table.header, strict=True)
    )
    body = "\n".join(_row(cells, kinds) for cells in table.cells)
    return (
        f'<div class="scroll" tabindex="0"><table>\n<thead><tr>{"".join(heads)}</tr></thead>\n'
        f"<tbody>\n{body}\n</tbody></table></div>"
    )


def _row(cells: tuple[str, ...], kinds: list[str]) -> str:
    first, *rest = cells
    others = (f"<td{kind}>{_text(cell)}</td>" for kind, cell in zip(kinds[1:], rest, strict=True))
    return f'<tr><th scope="row" class="word">{_text(first)}</th>{"".join(others)}</tr>'


def _text(text: str) -> str:
    return escape(visible(text))
