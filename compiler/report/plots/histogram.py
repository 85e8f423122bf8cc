"""A histogram of scores in bins of [0, 1], as shares, with the bands HARD and EASY shaded."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.report.numbers import short, short_percent
from compiler.report.plots.canvas import (
    WIDTH,
    Scale,
    box,
    picture,
    rule,
    ticks,
    words,
)

_HEIGHT = 190.0


def histogram(
    counts: Sequence[int],
    edges: Sequence[float],
    hard_below: float,
    easy_from: float,
    top: float,
    kind: str,
) -> str:
    """Draw bars of `counts` between `edges`, one more than counts.

    `hard_below`, `easy_from`: thresholds of the bands; `top`: end of the scale of shares; `kind`:
    class of the bars.
    """
    total = sum(counts)
    across, up = Scale(0.0, 1.0, 38.0, WIDTH - 6), Scale(0.0, top, _HEIGHT - 40, 22.0)
    height = up.start - up.end
    parts = [
        box(across(0), up.end, across(hard_below) - across(0), height, "hard"),
        box(across(easy_from), up.end, across(1) - across(easy_from), height, "easy"),
        words((across(0) + across(hard_below)) / 2, 15, "HARD", "small", "middle"),
        words((across(easy_from) + across(1)) / 2, 15, "EASY", "small", "middle"),
    ]
    for tick in ticks(0.0, top):
        parts.append(rule(across.start, up(tick), across.end, up(tick)))
        parts.append(words(across.start - 6, up(tick) + 4, short_percent(tick), "small", "end"))
    for place, count in enumerate(counts):
        low, high = edges[place], edges[place + 1]
        share = count / total if total else 0.0
        left, right = across(low) + 2, across(high) - 2
        title = f"{short(low)} to {short(high)}: {count:,} ({short_percent(share)})"
        parts.append(box(left, up(share), right - left, up(0) - up(share), f"bar {kind}", title))
        middle = (left + right) / 2
        parts.append(words(middle, up(share) - 4, f"{count:,}", "small strong", "middle"))
    parts.append(rule(across.start, up(0), across.end, up(0), "axis"))
    for edge in edges:
        parts.append(words(across(edge), _HEIGHT - 24, short(edge), "small", "middle"))
    middle = (across.start + across.end) / 2
    parts.append(words(middle, _HEIGHT - 6, "maximum blind score of a probe", "small", "middle"))
    label = f"histogram of {total:,} maximum scores: " + ", ".join(f"{count:,}" for count in counts)
    return picture(_HEIGHT, label, parts)
