"""A bar plot: one share of a whole per row, with its count."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.report.numbers import short_percent
from compiler.report.plots.canvas import (
    LINE,
    WIDTH,
    Scale,
    box,
    ceiling,
    fitted,
    picture,
    rule,
    words,
)

_ROW = 34.0


@dataclass(frozen=True)
class Share:
    """One row. `count`: None where only the share is known."""

    label: str
    share: float
    count: int | None = None
    kind: str = "plain"


def shares(rows: Sequence[Share], of: str) -> str:
    """Draw bars on one scale, each under its label. `of`: title of the axis."""
    across = Scale(0.0, ceiling(max((row.share for row in rows), default=0.0)), 0.0, WIDTH - 96)
    parts = [rule(0.5, 0.0, 0.5, _ROW * len(rows), "axis")]
    for number, row in enumerate(rows):
        y = _ROW * number
        text = (
            short_percent(row.share)
            if row.count is None
            else f"{short_percent(row.share)} ({row.count:,})"
        )
        parts.append(words(6, y + 12, fitted(row.label, WIDTH - 6)))
        parts.append(box(0.5, y + 17, across(row.share), 9.0, f"bar {row.kind}", text))
        parts.append(words(across(row.share) + 6, y + 26, text, "small strong"))
    bottom = _ROW * len(rows)
    parts.append(words(0, bottom + LINE, of, "small"))
    label = f"{of}: " + ", ".join(f"{row.label} {short_percent(row.share)}" for row in rows)
    return picture(bottom + LINE + 6, label, parts)
