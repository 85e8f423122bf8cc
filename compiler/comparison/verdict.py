"""The verdict on two outcomes in words, for readers who want no table."""

from __future__ import annotations

from compiler.comparison.outcomes import Outcomes
from compiler.report.numbers import share, signed


def verdict(found: Outcomes) -> str:
    """State if B differs clearly from A in the maximum blind score, and by how much.

    A difference is clear if its 95% interval, which resamples documents, excludes 0.
    """
    shift = next((each for each in found.shifts if each.score == "max" and not each.scope), None)
    if shift is None:
        return "no comparison of scores: no probe is scored on both sides"
    moved = f"{found.flipped:,} of {found.paired:,} probes changed band, {hard(found)}"
    if not found.flipped and not any(each.shift.value or each.a != each.b for each in found.shifts):
        return f"no change: {found.paired:,} probes have the same mean and maximum scores"
    value, low, high = shift.shift.value, shift.shift.low, shift.shift.high
    size = f"max score {signed(value)}"
    if low is None or high is None:
        few = f"{shift.shift.documents} documents are too few for an interval"
        return f"no verdict: {few}; {size}, {moved}"
    size = f"{size} (95% interval {signed(low)} .. {signed(high)})"
    if low <= 0 <= high:
        return f"no clear change: {size}, {moved}"
    return f"B is {'easier' if low > 0 else 'harder'} to answer from text: {size}, {moved}"


def hard(found: Outcomes) -> str:
    """Format the shares of HARD probes of both sides."""
    total = sum(map(sum, found.flips))
    before, after = sum(found.flips[0]), sum(row[0] for row in found.flips)
    return f"HARD {share(before, total)} -> {share(after, total)}"
