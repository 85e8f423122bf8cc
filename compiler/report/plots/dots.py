"""A dot plot: one estimate with its interval per row, on one scale."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from compiler.report.numbers import percent, short, short_percent
from compiler.report.plots.canvas import (
    WIDTH,
    Scale,
    dot,
    element,
    fitted,
    picture,
    room,
    rule,
    ticks,
    whisker,
    words,
)
from compiler.statistics.measures.intervals import Interval

_ROW = 24.0
_TOP = 6.0
_MARKED = 22.0


@dataclass(frozen=True)
class Dot:
    """One row. `expected`: the expected value, drawn as an open ring."""

    label: str
    found: Interval
    kind: str = "plain"
    expected: float | None = None


@dataclass(frozen=True)
class Mark:
    """A vertical line that rows are compared with."""

    at: float
    name: str


def dots(
    rows: Sequence[Dot],
    title: str,
    low: float = 0.0,
    high: float = 1.0,
    marks: tuple[()] | tuple[Mark] | tuple[Mark, Mark] = (),
    shown: Callable[[float], str] = short,
) -> str:
    """Draw rows from top to bottom, on a scale from `low` to `high`.

    `title`: of the axis; `marks`: at most two lines; `shown`: the format of values and ticks.
    """
    left = 12 + room([row.label for row in rows], 140.0)
    across = Scale(low, high, left, WIDTH - 46)
    top = _MARKED if marks else _TOP
    bottom = top + _ROW * len(rows)
    parts = []
    # A percentage is wide: five steps of them would touch.
    for tick in ticks(low, high, 4 if shown is short_percent else 5):
        parts.append(rule(across(tick), top - 4, across(tick), bottom))
        parts.append(words(across(tick), bottom + 15, shown(tick), "small", "middle"))
    # Two names are aligned away from each other, so that they do not overlap.
    leaning = ("end", "start") if len(marks) == 2 else ("middle",) * len(marks)
    for mark, anchor in zip(marks, leaning, strict=True):
        parts.append(rule(across(mark.at), top - 6, across(mark.at), bottom, "limit"))
        parts.append(words(across(mark.at), top - 9, mark.name, "small", anchor))
    for number, row in enumerate(rows):
        y = top + _ROW * (number + 0.5)
        parts.append(words(0, y + 4, fitted(row.label, left - 8)))
        parts += _row(row, across, y, shown)
    parts.append(words((left + across.end) / 2, bottom + 32, title, "small", "middle"))
    label = f"{title}: " + ", ".join(
        f"{row.label} {row.found.value:.3f}" for row in rows if row.found.value is not None
    )
    return picture(bottom + 40, label, parts)


def _row(row: Dot, across: Scale, y: float, shown: Callable[[float], str]) -> list[str]:
    found = row.found
    parts = []
    if row.expected is not None:
        ring = {"class": "ring", "cx": across(row.expected), "cy": y, "r": 7.0}
        parts.append(element("circle", ring))
    if found.value is None:
        return [*parts, words(across.end + 8, y + 4, "none", "small faint")]
    if found.low is not None and found.high is not None:
        parts.append(whisker(across(found.low), y, across(found.high), y, row.kind))
    value = percent(found.value) if shown is short_percent else f"{found.value:.2f}"
    parts.append(dot(across(found.value), y, row.kind, f"{row.label}: {value}, n = {found.n:,}"))
    parts.append(words(WIDTH, y + 4, value, "small strong", "end"))
    return parts
