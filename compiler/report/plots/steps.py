"""A plot of values with intervals at a few named places in order."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

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

_HEIGHT = 200.0


@dataclass(frozen=True)
class Step:
    """One place. `under`: a second line below its name."""

    name: str
    under: str
    value: Interval


def steps(places: Sequence[Step], across_title: str, kind: str, top: float = 1.0) -> str:
    """Draw marks with whiskers, joined by a thin line; a place without a value keeps its name.

    `across_title`: of the horizontal axis; `kind`: class of the marks; `top`: end of the vertical
    scale.
    """
    up = Scale(0.0, top, _HEIGHT - 54, 12.0)
    width = (WIDTH - 46) / max(1, len(places))
    parts = []
    for tick in ticks(0.0, top):
        parts.append(rule(34.0, up(tick), WIDTH - 10, up(tick)))
        parts.append(words(28.0, up(tick) + 4, short(tick), "small", "end"))
    parts.append(rule(34.0, up(0), WIDTH - 10, up(0), "axis"))
    line = []
    marks = []
    for number, each in enumerate(places):
        x = 36 + width * (number + 0.5)
        found = each.value
        parts.append(words(x, _HEIGHT - 38, each.name, "small", "middle"))
        parts.append(words(x, _HEIGHT - 23, each.under, "small faint", "middle"))
        if found.value is None:
            continue
        line.append(f"{x:.1f},{up(found.value):.1f}")
        if found.low is not None and found.high is not None:
            marks.append(whisker(x, up(found.low), x, up(found.high), kind))
        marks.append(dot(x, up(found.value), kind, f"{each.name}: {found.value:.3f}"))
        marks.append(words(x + 8, up(found.value) - 5, f"{found.value:.2f}", "small strong"))
    parts.append(element("polyline", {"class": f"thread {kind}", "points": " ".join(line)}))
    parts += [*marks, words(WIDTH / 2, _HEIGHT - 5, across_title, "small", "middle")]
    label = f"{across_title}: " + ", ".join(
        f"{each.name} {each.value.value:.3f}" for each in places if each.value.value is not None
    )
    return picture(_HEIGHT, label, parts)
