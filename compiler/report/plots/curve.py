"""A plot of a value at k = 1, 2, ... as a line with a band for its intervals."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.report.numbers import short
from compiler.report.plots.canvas import (
    WIDTH,
    Scale,
    dot,
    element,
    picture,
    rule,
    ticks,
    words,
)
from compiler.statistics.measures.intervals import Interval

_HEIGHT = 190.0


def curve(points: Sequence[Interval], across_title: str, kind: str, top: float = 1.0) -> str:
    """Draw `points[k - 1]` at k.

    `across_title`: of the horizontal axis; `kind`: class of the line; `top`: end of the vertical
    scale. Points without a value are left out; the band covers points with an interval.
    """
    last = max(2, len(points))
    across, up = Scale(1, last, 50.0, WIDTH - 20), Scale(0.0, top, _HEIGHT - 40, 12.0)
    parts = []
    for tick in ticks(0.0, top):
        parts.append(rule(34.0, up(tick), WIDTH - 10, up(tick)))
        parts.append(words(28.0, up(tick) + 4, short(tick), "small", "end"))
    known = [(across(k), each) for k, each in enumerate(points, 1) if each.value is not None]
    band = [(x, each.low, each.high) for x, each in known if each.low is not None]
    if len(band) > 1:
        edge = [(x, high) for x, _, high in band] + [(x, low) for x, low, _ in reversed(band)]
        listed = " ".join(f"{x:.1f},{up(y or 0.0):.1f}" for x, y in edge)
        parts.append(element("polygon", {"class": f"band {kind}", "points": listed}))
    line = " ".join(f"{x:.1f},{up(each.value or 0.0):.1f}" for x, each in known)
    parts.append(element("polyline", {"class": f"line {kind}", "points": line}))
    for k, (x, each) in enumerate(known, 1):
        value = each.value or 0.0
        parts.append(dot(x, up(value), kind, f"{k}: {value:.3f}"))
        if k in (1, len(known)):
            parts.append(words(x, up(value) - 9, f"{value:.2f}", "small strong", "middle"))
    parts.append(rule(34.0, up(0), WIDTH - 10, up(0), "axis"))
    step = -(-last // 12)
    for k in range(1, last + 1, step):
        parts.append(words(across(k), _HEIGHT - 24, str(k), "small", "middle"))
    parts.append(words(WIDTH / 2, _HEIGHT - 6, across_title, "small", "middle"))
    label = f"{across_title}: " + ", ".join(f"{each.value:.3f}" for _, each in known)
    return picture(_HEIGHT, label, parts)
