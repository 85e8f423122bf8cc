"""A stacked bar plot: one whole per row, divided into parts, with a legend."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.report.numbers import short_percent
from compiler.report.plots.canvas import (
    LINE,
    WIDTH,
    box,
    element,
    fitted,
    picture,
    words,
)

_ROW = 38.0
_SMALLEST = 34.0


@dataclass(frozen=True)
class Part:
    """One part of a row. `kind`: its class, which is that of its entry in the legend."""

    kind: str
    size: float
    text: str


@dataclass(frozen=True)
class Stack:
    """One row, whose parts fill the width."""

    label: str
    parts: tuple[Part, ...]


def stack(rows: Sequence[Stack], legend: Sequence[tuple[str, str]], title: str) -> str:
    """Draw rows with a legend of (kind, name), without kinds that no row has."""
    used = {part.kind for row in rows for part in row.parts if part.size > 0}
    y = 0.0
    parts = []
    x = 0.0
    for kind, name in legend:
        if kind not in used:
            continue
        width = 22 + 6.2 * len(name)
        if x and x + width > WIDTH:
            x, y = 0.0, y + LINE + 3
        parts.append(box(x, y + 2, 11, 11, kind))
        parts.append(words(x + 15, y + 12, name, "small"))
        x += width
    y += LINE + 10
    for row in rows:
        parts.append(words(0, y + 11, fitted(row.label, WIDTH)))
        parts += _bar(row, y + 16)
        y += _ROW
    parts.append(words(0, y + 10, title, "small"))
    label = f"{title}: " + "; ".join(
        f"{row.label}: " + ", ".join(part.text for part in row.parts if part.size > 0)
        for row in rows
    )
    return picture(y + 16, label, parts)


def _bar(row: Stack, y: float) -> list[str]:
    total = sum(part.size for part in row.parts)
    x = 0.0
    found = []
    for part in row.parts:
        if part.size <= 0 or not total:
            continue
        width = WIDTH * part.size / total
        title = f"{part.text} ({short_percent(part.size / total)})"
        found.append(box(x, y, max(1.0, width - 1), 15, part.kind, title))
        if width >= _SMALLEST:
            share = short_percent(round(part.size / total, 2))
            place = {"class": f"small on-{part.kind}", "x": x + 4, "y": y + 11.5}
            found.append(element("text", place, share))
        x += width
    return found
