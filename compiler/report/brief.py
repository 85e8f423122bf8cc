"""The statistics of a build in a few lines, for the end of its output."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.report.numbers import percent, percent_estimate
from compiler.report.sections import losses
from compiler.statistics.stats import Stats


def lines(stats: Stats) -> Iterator[str]:
    """Yield a line each for the counts, the bands and the rejects."""
    cell = stats.pooled
    rounds = len(stats.rows_by_round)
    yield (
        f"probes: {stats.probes:,} on {stats.documents:,} documents in {rounds} "
        f"round{'s' if rounds != 1 else ''}; {cell.rows:,} have blind scores"
    )
    if cell.rows:
        yield (
            f"HARD: {percent_estimate(cell.hard)} (max score < {stats.hard_below:g}), "
            f"EASY: {percent_estimate(cell.easy)} (>= {stats.easy_from:g})"
        )
    changes = losses.changes(stats)
    if stats.build is not None and changes is not None:
        lost = sum(int(str(row[1])) for row in changes.rows)
        causes = ", ".join(f"{row[0]} {row[1]}" for row in changes.rows)
        whole = stats.build.planned
        yield f"rejected: {lost:,} of {whole:,} slots ({percent(lost / whole)}); cause: {causes}"
