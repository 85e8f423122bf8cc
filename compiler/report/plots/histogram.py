"""Histograms of scores in bins of [0, 1], as shares, with the bands HARD and EASY shaded."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.report.numbers import short, short_percent
from compiler.report.plots.canvas import (
    WIDTH,
    Scale,
    box,
    fitted,
    picture,
    rule,
    ticks,
    words,
)

_HEIGHT = 190.0
# Heights of the legend above several rows, and of the title and the bars of each row.
_LEGEND, _TITLE, _BARS = 14.0, 26.0, 62.0


@dataclass(frozen=True)
class Bars:
    """The counts of one group. `kind`: prefix or suffix, its name and the class of its bars."""

    kind: str
    counts: Sequence[int]

    @property
    def shares(self) -> tuple[float, ...]:
        """The counts as shares of all of them."""
        total = sum(self.counts)
        return tuple(count / total if total else 0.0 for count in self.counts)


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


def histograms(
    rows: Mapping[str, Sequence[Bars]], edges: Sequence[float], hard_below: float, easy_from: float
) -> str:
    """Draw a row of bars for each name, all over one axis; groups of a row stand side by side.

    `hard_below`, `easy_from`: thresholds of the bands.
    """
    across = Scale(0.0, 1.0, 0.0, WIDTH)
    x = 0.0
    parts = []
    for kind in dict.fromkeys(bars.kind for groups in rows.values() for bars in groups):
        parts.append(box(x, 2, 10, 10, f"bar {kind}"))
        parts.append(words(x + 15, 11, f"{kind} target", "small"))
        x += 100
    bands = (("HARD", 0.0, hard_below), ("EASY", easy_from, 1.0))
    highest = max((max(b.shares) for groups in rows.values() for b in groups), default=0.0)
    base = _LEGEND
    for name, groups in rows.items():
        top, base = base + _TITLE, base + _TITLE + _BARS
        size = " and ".join(f"{sum(bars.counts):,}" for bars in groups)
        parts.append(words(0, top - 6, fitted(f"{name}: {size} probes", WIDTH)))
        for band, low, high in bands:
            width = across(high) - across(low)
            parts.append(box(across(low), top, width, _BARS, band.lower()))
        up = Scale(0.0, highest or 1.0, base, top + 15)
        for place, bars in enumerate(groups):
            parts += _side_by_side(bars, edges, across, up, place, len(groups))
        parts.append(rule(across.start, base, across.end, base, "axis"))
    for edge in edges:
        anchor = {edges[0]: "start", edges[-1]: "end"}.get(edge, "middle")
        parts.append(words(across(edge), base + 14, short(edge), "small", anchor))
    for band, low, high in bands:
        middle = (across(low) + across(high)) / 2
        parts.append(words(middle, base + 29, band, "small strong", "middle"))
    label = "maximum blind scores: " + "; ".join(
        f"{name}, {bars.kind}: " + ", ".join(map(short_percent, bars.shares))
        for name, groups in rows.items()
        for bars in groups
    )
    return picture(base + 34, label, parts)


def _side_by_side(
    bars: Bars, edges: Sequence[float], across: Scale, up: Scale, place: int, groups: int
) -> list[str]:
    found = []
    for low, high, count, share in zip(edges, edges[1:], bars.counts, bars.shares, strict=False):
        width = (across(high) - across(low) - 8) / groups
        left = across(low) + 4 + place * width
        title = f"{bars.kind}, {short(low)} to {short(high)}: {count:,} ({short_percent(share)})"
        found.append(box(left, up(share), width - 1, up(0) - up(share), f"bar {bars.kind}", title))
        if count:
            text = short_percent(round(share, 2)) if share >= 0.01 else "<1%"
            found.append(words(left + width / 2, up(share) - 3, text, "small strong", "middle"))
    return found
