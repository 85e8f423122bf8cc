"""SVG as text: elements with escaped content, scales, axes.

Colours are classes, so that the light and dark palettes of the page apply to the plots.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from compiler.report.passages import visible

# The width of every plot in its own units, legible on a phone and in columns.
WIDTH = 320.0
LINE = 15.0
# An upper estimate of the width of a character of label text, in the same units.
_CHAR = 6.4


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high` on a line from `start` to `end`; outside values are clamped."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the place of a value on the line."""
        inside = min(max(value, self.low), self.high)
        return self.start + (inside - self.low) / (self.high - self.low) * (self.end - self.start)


def element(name: str, attributes: Mapping[str, object], *children: str) -> str:
    """Make an element. Attribute values are escaped; children are markup."""
    listed = "".join(f' {key}="{escape(_value(each))}"' for key, each in attributes.items())
    inner = "".join(children)
    return f"<{name}{listed}>{inner}</{name}>" if inner else f"<{name}{listed}/>"


def words(x: float, y: float, content: str, kind: str = "label", anchor: str = "start") -> str:
    """Write text at a point; `content` is escaped. `anchor`: start, middle or end."""
    place = {"class": kind, "x": x, "y": y}
    if anchor != "start":
        place["text-anchor"] = anchor
    return element("text", place, escape(content))


def rule(x1: float, y1: float, x2: float, y2: float, kind: str = "grid") -> str:
    """Draw a straight line."""
    return element("line", {"class": kind, "x1": x1, "y1": y1, "x2": x2, "y2": y2})


def box(x: float, y: float, width: float, height: float, kind: str, title: str = "") -> str:
    """Draw a rectangle; `title` is its tooltip."""
    place = {"class": kind, "x": x, "y": y, "width": max(0.0, width), "height": max(0.0, height)}
    return element("rect", place, *_title(title))


def dot(x: float, y: float, kind: str, title: str = "") -> str:
    """Draw a mark: a diamond for the kind suffix, else a disc, so that colour is not needed."""
    if "suffix" in kind.split():
        size = 4.8
        points = f"M{x:.1f} {y - size:.1f}l{size} {size}l-{size} {size}l-{size} -{size}z"
        return element("path", {"class": f"mark {kind}", "d": points}, *_title(title))
    place: dict[str, object] = {"class": f"mark {kind}", "cx": x, "cy": y, "r": 3.8}
    return element("circle", place, *_title(title))


def whisker(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    """Draw an interval, horizontal or vertical, with caps at its ends."""
    cap = 3.2
    across, up = (cap, 0.0) if x1 == x2 else (0.0, cap)
    ends = [
        f"M{x - across:.2f} {y - up:.2f}L{x + across:.2f} {y + up:.2f}"
        for x, y in ((x1, y1), (x2, y2))
    ]
    line = f"M{x1:.2f} {y1:.2f}L{x2:.2f} {y2:.2f}"
    return element("path", {"class": f"whisker {kind}", "d": line + "".join(ends)})


def picture(height: float, label: str, children: Sequence[str]) -> str:
    """Make the whole plot. `label`: its description for a screen reader."""
    size = {"viewBox": f"0 0 {WIDTH:.0f} {height:.0f}", "role": "img", "aria-label": label}
    return visible(element("svg", size, *children))


def ticks(low: float, high: float, most: int = 5) -> list[float]:
    """Choose round numbers from `low` to `high` in at most `most` steps, round ends included."""
    steps = (0.01, 0.02, 0.05, 0.1, 0.2, 0.25, 0.5, 1.0, 2.0, 5.0, 10.0)
    step = next((each for each in steps if (high - low) / each <= most + 0.001), steps[-1])
    first = -(-round(low / step, 6) // 1)
    count = int((high - first * step) / step + 1e-6)
    return [round((first + index) * step, 6) for index in range(count + 1)]


def ceiling(value: float, at_least: float = 0.1) -> float:
    """Return the end of a scale for shares: a round number of at least `value`, at most 1."""
    for top in (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0):
        if top >= max(value, at_least) - 1e-9:
            return top
    return 1.0


def fitted(text: str, width: float) -> str:
    """Cut a label to `width`, with an ellipsis."""
    most = max(4, int(width / _CHAR))
    return text if len(text) <= most else text[: most - 1] + "…"


def room(labels: Sequence[str], most: float) -> float:
    """Return the width that labels need, at most `most`."""
    return min(most, _CHAR * max((len(each) for each in labels), default=0))


def _title(text: str) -> Iterator[str]:
    if text:
        yield element("title", {}, escape(text))


def _value(value: object) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if isinstance(value, float) else str(value)
