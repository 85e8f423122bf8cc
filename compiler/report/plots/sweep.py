"""A plot of several measures against calibration levels, as an SVG file of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from compiler.report.numbers import level as level_text
from compiler.report.plots.canvas import (
    LINE,
    WIDTH,
    Scale,
    box,
    dot,
    element,
    fitted,
    picture,
    rule,
    ticks,
    whisker,
    words,
)
from compiler.statistics.measures.intervals import Interval

_LEFT = 40.0
_HEIGHT = 104.0
_GAP = 26.0
# Between the marks of one level, wider than a mark.
_ASIDE = 10.0
_STYLE = """
svg { background: #fbfaf7; font-family: system-ui, sans-serif; }
text { font-size: 11px; fill: #1c1c1e; } .title { font-size: 14px; font-weight: 600; }
.strong { font-weight: 600; } .small { fill: #595960; } .small.strong { fill: #1c1c1e; }
.grid { stroke: #d9d6ce; } .axis { stroke: #595960; } .chosen { fill: #f1e3e9; }
.line { fill: none; stroke-width: 1.2; opacity: .55; } .mark { stroke-width: .8; }
.whisker { fill: none; stroke-width: 1.4; } .limit { stroke-width: 1.4; stroke-dasharray: 4 3; }
.max { stroke: #1f5f99; } .mark.max { fill: #1f5f99; }
.none { stroke: #55555c; } .mark.none { fill: #55555c; }
.hard { stroke: #6d3f5c; } .mark.hard { fill: #6d3f5c; }
.easy { stroke: #b34700; } .mark.easy { fill: #b34700; }
.leak { stroke: #2c6e49; } .mark.leak { fill: #2c6e49; }
@media (prefers-color-scheme: dark) {
  svg { background: #141518; } text, .small.strong { fill: #e9e7e2; } .small { fill: #a9a8ae; }
  .grid { stroke: #3a3b40; } .axis { stroke: #a9a8ae; } .chosen { fill: #3a2330; }
  .max { stroke: #6db1ea; } .mark.max { fill: #6db1ea; }
  .none { stroke: #b9b8bd; } .mark.none { fill: #b9b8bd; }
  .hard { stroke: #c79bb7; } .mark.hard { fill: #c79bb7; }
  .easy { stroke: #f0955a; } .mark.easy { fill: #f0955a; }
  .leak { stroke: #7cc39a; } .mark.leak { fill: #7cc39a; }
}
"""


@dataclass(frozen=True)
class Series:
    """One measure at each level.

    `kind`: max, none, hard, easy or leak; it selects the colour. `limit`: a value that the measure
    is compared with, drawn as a dashed line.
    """

    name: str
    kind: str
    points: Sequence[Interval | None]
    limit: float | None = None


@dataclass(frozen=True)
class Measures:
    """At most three measures of one unit. `axis`: their unit; `shown`: its format on the axis."""

    axis: str
    shown: Callable[[float], str]
    series: tuple[Series, ...]


def sweep(
    title: Sequence[str],
    levels: Sequence[int],
    plots: Sequence[Measures],
    chosen: int | None,
    refused: Sequence[int],
) -> str:
    """Draw plots below one another over one axis of levels.

    `title`: its lines; `chosen`: the level to mark, if any; `refused`: excluded levels.
    """
    across = Scale(min(levels) - 0.5, max(levels) + 0.5, _LEFT, WIDTH - 8)
    parts = [element("style", {}, _STYLE)]
    y = 4.0
    for number, line in enumerate(title):
        y += LINE + (2 if number == 0 else 0)
        parts.append(words(6, y, fitted(line, WIDTH - 12), "small" if number else "title"))
    for plot in plots:
        y += 6
        for number, series in enumerate(plot.series):
            y += LINE
            parts += [
                _mark(12, y - 4, number, series.kind),
                words(22, y, series.name, "small strong"),
            ]
        y += LINE + 3
        parts.append(words(6, y, plot.axis, "small"))
        y += 10
        up = Scale(0.0, 1.0, y + _HEIGHT, y)
        parts += _drawn(levels, plot, across, up, chosen)
        y += _HEIGHT + _GAP
    y += LINE - _GAP
    for level in levels:
        kind = "small strong" if level == chosen else "small"
        parts.append(words(across(level), y, level_text(level), kind, "middle"))
        under = "chosen" if level == chosen else "×" if level in refused else ""
        if under:
            parts.append(words(across(level), y + LINE, under, kind, "middle"))
    y += 2 * LINE + 3
    middle = (across.start + across.end) / 2
    parts.append(words(middle, y, "calibration level, stricter to the right", "small", "middle"))
    if refused:
        y += LINE
        parts.append(words(middle, y, "×: excluded by the selection rule", "small", "middle"))
    points = [
        f"{each.name}: {', '.join(map(_value, each.points))}"
        for plot in plots
        for each in plot.series
    ]
    label = f"{'; '.join(title)}; levels {', '.join(map(level_text, levels))}; {'; '.join(points)}"
    drawn = picture(y + 10, label, parts)
    # A browser opens the file as SVG only with its namespace.
    return drawn.replace("<svg ", '<svg xmlns="http://www.w3.org/2000/svg" ', 1)


def _drawn(
    levels: Sequence[int], plot: Measures, across: Scale, up: Scale, chosen: int | None
) -> Iterator[str]:
    if chosen is not None:
        left, right = across(chosen - 0.5), across(chosen + 0.5)
        yield box(left, up.end, right - left, up.start - up.end, "chosen")
    for tick in ticks(0.0, 1.0, 4):
        yield rule(across.start, up(tick), across.end, up(tick))
        yield words(across.start - 5, up(tick) + 4, plot.shown(tick), "small", "end")
    yield rule(across.start, up(0), across.end, up(0), "axis")
    for series in plot.series:
        if series.limit is not None:
            at = up(series.limit)
            yield rule(across.start, at, across.end, at, f"limit {series.kind}")
    for number, series in enumerate(plot.series):
        aside = _ASIDE * (number - (len(plot.series) - 1) / 2)
        found = [
            (across(level) + aside, point)
            for level, point in zip(levels, series.points, strict=True)
            if point is not None and point.value is not None
        ]
        line = " ".join(f"{x:.1f},{up(each.value or 0.0):.1f}" for x, each in found)
        yield element("polyline", {"class": f"line {series.kind}", "points": line})
        for x, each in found:
            if each.low is not None and each.high is not None:
                yield whisker(x, up(each.low), x, up(each.high), series.kind)
            title = f"{series.name}: {_value(each)}"
            yield _mark(x, up(each.value or 0.0), number, series.kind, title)


def _mark(x: float, y: float, number: int, kind: str, title: str = "") -> str:
    """Draw the mark of a series: a disc, a diamond or a square, so that colour is not needed."""
    if number < 2:
        return dot(x, y, f"{kind} suffix" if number else kind, title)
    return box(x - 3.4, y - 3.4, 6.8, 6.8, f"mark {kind}", title)


def _value(point: Interval | None) -> str:
    return "-" if point is None or point.value is None else f"{point.value:.3f}"
