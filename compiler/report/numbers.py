"""Number formats, one for each kind of number, shared by all renderers.

A missing number is a dash, a minus sign is the ASCII hyphen-minus, and thousands are grouped.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from compiler.statistics.measures.intervals import Interval

MISSING = "-"


def count(value: int | None) -> str:
    """Format a count: `1,234`."""
    return MISSING if value is None else f"{value:,}"


def score(value: float | None) -> str:
    """Format a score: `0.461`."""
    return MISSING if value is None else f"{value:.3f}"


def estimate(found: Interval | None) -> str:
    """Format an estimate: `0.461 [0.452, 0.470]`; the value alone where it has no interval."""
    if found is None or found.value is None:
        return MISSING
    if found.low is None or found.high is None:
        return score(found.value)
    return f"{score(found.value)} [{score(found.low)}, {score(found.high)}]"


def percent(value: float | None) -> str:
    """Format a share: `41.8%`."""
    return MISSING if value is None else f"{100 * value:.1f}%"


def percent_estimate(found: Interval | None) -> str:
    """Format a share: `41.8% [41.1, 42.5]`; the value alone where it has no interval."""
    if found is None or found.value is None:
        return MISSING
    if found.low is None or found.high is None:
        return percent(found.value)
    return f"{percent(found.value)} [{100 * found.low:.1f}, {100 * found.high:.1f}]"


def share(part: int, whole: int) -> str:
    """Format a part of a whole as a share: `41.8%`; a dash where the whole is 0."""
    return percent(part / whole) if whole else MISSING


def signed(value: float | None, digits: int = 3) -> str:
    """Format a difference: `+0.012`, `-0.012`; 0 has no sign."""
    if value is None:
        return MISSING
    return f"{value:+,.{digits}f}" if round(value, digits) else f"{0:.{digits}f}"


def level(value: int) -> str:
    """Format a calibration level: `-2`, `0`, `+1`."""
    return f"{value:+d}" if value else "0"


def usd(value: float) -> str:
    """Format dollars: `$1,003.20`; below a dollar with four decimals."""
    digits = 2 if abs(value) >= 1 or value == 0 else 4
    return f"{'-' if value < 0 else ''}${abs(value):,.{digits}f}"


def usd_range(expected: float, low: float, high: float) -> str:
    """Format an estimate of dollars: `$1,003.20 ($804.10 to $1,204.33)`."""
    return f"${expected:,.2f} (${low:,.2f} to ${high:,.2f})"


def size(value: int) -> str:
    """Format a number of bytes in decimal units: `512 B`, `1.2 MB`."""
    amount, unit = float(value), "B"
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000 or unit == "GB":
            break
        amount /= 1000
    return f"{value} B" if unit == "B" else f"{amount:,.1f} {unit}"


def short(value: float) -> str:
    """Format a score on an axis: `0.4`, `1`."""
    return f"{value:g}"


def short_percent(value: float) -> str:
    """Format a share on an axis: `40%`, `2.5%`."""
    return f"{round(100 * value, 1):g}%"
