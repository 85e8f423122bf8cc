"""The tree of all reported statistics, one module for each section.

A new table is a function from `Stats` to a table, or None without rows, and an entry in its
section.
"""

from __future__ import annotations

from collections.abc import Iterator

from compiler.embedded import MACHINERY
from compiler.report.numbers import percent, percent_estimate
from compiler.report.sections import artefacts, judge, losses, readers, scores
from compiler.report.tree import Section, Table
from compiler.spec.scoring import Anchors
from compiler.statistics.stats import Stats

# Names of the tables that a build prints; all of them are in `sections`.
SUMMARY = ("slots", "changes", "rejects", "scores", "histogram", "flags", "typicality")


def sections(stats: Stats, limits: Anchors | None = None) -> tuple[Section, ...]:
    """Make all sections, without empty tables.

    `limits`: on the mean scores of anchors, with which a build passes; None if unknown.
    """
    return (
        losses.section(stats),
        scores.section(stats),
        readers.section(stats),
        judge.section(stats, limits),
        artefacts.section(stats),
    )


def summary(stats: Stats) -> tuple[Table, ...]:
    """Make the tables that a build prints."""
    found = {table.name: table for section in sections(stats) for table in section.tables}
    return tuple(found[name] for name in SUMMARY if name in found)


def brief(stats: Stats) -> Iterator[str]:
    """Yield the lines at the end of a build, for the counts, the bands and the rejects."""
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
        if stats.embedded:
            yield MACHINERY
    changes = losses.changes(stats)
    if stats.build is not None and changes is not None:
        lost = sum(int(str(row[1])) for row in changes.rows)
        causes = ", ".join(f"{row[0]} {row[1]}" for row in changes.rows)
        whole = stats.build.planned
        yield f"rejected: {lost:,} of {whole:,} slots ({percent(lost / whole)}); cause: {causes}"
