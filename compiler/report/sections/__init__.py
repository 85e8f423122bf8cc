"""The tree of all reported statistics. A new one is a function and one entry here.

An entry takes `Stats` and returns its table, or None where there is nothing to show.
"""

from __future__ import annotations

from compiler.report.sections import artefacts, judge, losses, readers, scores
from compiler.report.tree import Section, Table
from compiler.statistics.stats import Stats

# The tables that end a build; all of them are in `sections`.
SUMMARY = ("slots", "rejects", "scores", "histogram", "flags", "typicality")


def sections(stats: Stats, min_gap: float | None = None) -> tuple[Section, ...]:
    """All sections, without the tables that are empty.

    `min_gap`: the least mean difference of truth and alternative that a build passes with.
    """
    return (
        losses.section(stats),
        scores.section(stats),
        readers.section(stats),
        judge.section(stats, min_gap),
        artefacts.section(stats),
    )


def summary(stats: Stats) -> tuple[Table, ...]:
    """The tables that end a build."""
    found = {table.name: table for section in sections(stats) for table in section.tables}
    return tuple(found[name] for name in SUMMARY if name in found)
