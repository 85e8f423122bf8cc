"""Other readers of the same questions, and blind scores by distance from the split."""

from __future__ import annotations

from compiler.report.sections.cells import CELL, place, untyped
from compiler.report.tree import Section, Table, count, estimate, rows, word
from compiler.statistics.scores import BaselineStats, CellStats, DistanceStats
from compiler.statistics.stats import Stats

# Readers that see less than the blind reader, from the one that sees least.
BELOW = ("no_context", "shuffled_context")
_LEAD = (
    "A reader of the question alone is the floor, a reader that also sees the atom is the ceiling. "
    "A method that reads hidden states can gain between the blind reader and the ceiling."
)
_NO_SCORES = "No row has blind scores."
_NO_READERS = (
    "No other reader answered these questions: declare some under scoring.baselines (no_context, "
    "shuffled_context, full_information)."
)
_NO_DISTANCES = "No scored row gives the distance of its atom from the split (abs_index)."


def section(stats: Stats) -> Section:
    """Make the section; absent tables leave a note."""
    if not stats.pooled.rows:
        return Section("readers", "Other readers", _LEAD, (), (_NO_SCORES,))
    found = ((baselines(stats), _NO_READERS), (distances(stats), _NO_DISTANCES))
    return Section(
        "readers",
        "Other readers",
        _LEAD,
        tuple(table for table, _ in found if table is not None),
        tuple(absent for table, absent in found if table is None),
    )


def baselines(stats: Stats) -> Table | None:
    """Tabulate mean scores of the other readers, and their differences from the blind reader."""
    found = [
        (reader(each.name), *place(cell), each.rows, each.rollouts, each.mean, each.gap)
        for cell in untyped(stats)
        for each in ordered(cell)
    ]
    if not found:
        return None
    return Table(
        "baselines",
        "Baselines",
        "mean score of other readers of the same questions, and its difference from the blind "
        "reader's, paired by probe",
        (
            word("reader"),
            *CELL,
            count("rows"),
            count("rollouts"),
            estimate("mean score"),
            estimate("mean score less blind"),
        ),
        rows(found),
        "No context near blind: the questions give their answers away. Full information far below "
        "1: the answerer or the judge fails on known answers, and HARD means less.",
    )


def distances(stats: Stats) -> Table | None:
    """Tabulate blind scores by the distance of the atom from the split."""
    found = [
        (*place(cell), distance(each), each.mean.n, each.mean, each.expected_max)
        for cell in untyped(stats)
        for each in cell.distances
    ]
    if not found:
        return None
    k = len(stats.pooled.expected_max)
    return Table(
        "distances",
        "Blind scores by distance from the split",
        "distance in units of the scope; 1 touches the split",
        (
            *CELL,
            word("distance"),
            count("scored"),
            estimate("mean score"),
            estimate(f"expected max of {k}"),
        ),
        rows(found),
        "High scores only next to the split: near atoms continue the sentence that the reader "
        "sees, and test local prediction.",
    )


def ordered(cell: CellStats) -> list[BaselineStats]:
    """Sort the baselines of a cell: those that see less than the blind reader come first."""
    return sorted(
        cell.baselines,
        key=lambda each: BELOW.index(each.name) if each.name in BELOW else len(BELOW),
    )


def reader(name: str) -> str:
    """Return a reader's name in words."""
    return name.replace("_", " ")


def distance(each: DistanceStats) -> str:
    """Format a range of distances: `1`, `2 to 3`, `16+`."""
    if not each.high:
        return f"{each.low}+"
    return f"{each.low}" if each.low == each.high else f"{each.low} to {each.high}"
