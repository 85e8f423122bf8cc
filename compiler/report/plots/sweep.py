"""A plot of several measures against calibration levels."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from compiler.report.numbers import level as level_text
from compiler.report.numbers import short
from compiler.report.plots.canvas import (
    WIDTH,
    Scale,
    dot,
    element,
    picture,
    rule,
    ticks,
    whisker,
    words,
)
from compiler.statistics.measures.intervals import Interval

_HEIGHT = 250.0
_STYLE = """
svg { background: #fbfaf7; font-family: system-ui, sans-serif; }
text { font-size: 11px; fill: #1c1c1e; } .small { fill: #595960; }
.grid { stroke: #d9d6ce; } .axis { stroke: #595960; }
.chosen { stroke: #8a1c4a; stroke-width: 1.4; stroke-dasharray: 4 3; }
.line { fill: none; stroke-width: 2; } .mark { stroke: #fbfaf7; stroke-width: .8; }
.whisker { fill: none; stroke-width: 1.4; }
.max { stroke: #1f5f99; } .mark.max { fill: #1f5f99; } text.max { fill: #1f5f99; stroke: none; }
.hard { stroke: #6d3f5c; } .mark.hard { fill: #6d3f5c; } text.hard { fill: #6d3f5c; stroke: none; }
.easy { stroke: #b34700; } .mark.easy { fill: #b34700; } text.easy { fill: #b34700; stroke: none; }
.none { stroke: #55555c; } .mark.none { fill: #55555c; } text.none { fill: #55555c; stroke: none; }
@media (prefers-color-scheme: dark) {
  svg { background: #141518; } text { fill: #e9e7e2; } .small { fill: #a9a8ae; }
  .grid { stroke: #3a3b40; } .axis { stroke: #a9a8ae; } .mark { stroke: #141518; }
  .chosen { stroke: #f08ab5; }
  .max { stroke: #6db1ea; } .mark.max, text.max { fill: #6db1ea; }
  .hard { stroke: #c79bb7; } .mark.hard, text.hard { fill: #c79bb7; }
  .easy { stroke: #f0955a; } .mark.easy, text.easy { fill: #f0955a; }
  .none { stroke: #b9b8bd; } .mark.none, text.none { fill: #b9b8bd; }
}
"""


@dataclass(frozen=True)
class Series:
    """One measure at each level. `kind`: max, hard, easy or none; it selects the colour."""

    name: str
    kind: str
    points: Sequence[Interval | None]


def sweep(levels: Sequence[int], series: Sequence[Series], chosen: int | None) -> str:
    """Draw the measures as an SVG file. `chosen`: the level to mark, if any."""
    low, high = min(levels), max(levels)
    across = Scale(low - 0.5, high + 0.5, 34.0, WIDTH - 10)
    up = Scale(0.0, 1.0, _HEIGHT - 62, 14.0)
    parts = [element("style", {}, _STYLE)]
    for tick in ticks(0.0, 1.0):
        parts.append(rule(34.0, up(tick), WIDTH - 10, up(tick)))
        parts.append(words(28.0, up(tick) + 4, short(tick), "small", "end"))
    if chosen is not None:
        parts.append(rule(across(chosen), 10.0, across(chosen), up(0), "chosen"))
    for number, each in enumerate(series):
        parts += _drawn(levels, each, across, up, 3.0 * (number - (len(series) - 1) / 2))
    parts.append(rule(34.0, up(0), WIDTH - 10, up(0), "axis"))
    for level in levels:
        parts.append(words(across(level), up(0) + 15, level_text(level), "small", "middle"))
    parts.append(words(WIDTH / 2, up(0) + 30, "calibration level", "small", "middle"))
    width = (WIDTH - 20) / max(1, len(series))
    for number, each in enumerate(series):
        parts.append(words(14 + width * number, _HEIGHT - 10, each.name, each.kind))
    points = [f"{each.name} {', '.join(map(_value, each.points))}" for each in series]
    label = f"levels {', '.join(map(str, levels))}: {'; '.join(points)}"
    drawn = picture(_HEIGHT, label, parts)
    # A browser opens the file as SVG only with its namespace.
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def _drawn(
    levels: Sequence[int], series: Series, across: Scale, up: Scale, aside: float
) -> list[str]:
    found = [
        (across(level) + aside, point)
        for level, point in zip(levels, series.points, strict=True)
        if point is not None and point.value is not None
    ]
    line = " ".join(f"{x:.1f},{up(each.value or 0.0):.1f}" for x, each in found)
    parts = [element("polyline", {"class": f"line {series.kind}", "points": line})]
    for x, each in found:
        if each.low is not None and each.high is not None:
            parts.append(whisker(x, up(each.low), x, up(each.high), series.kind))
        parts.append(dot(x, up(each.value or 0.0), series.kind, f"{series.name}: {_value(each)}"))
    return parts


def _value(point: Interval | None) -> str:
    return "-" if point is None or point.value is None else f"{point.value:.3f}"
