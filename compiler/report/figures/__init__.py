"""The sections of the report: statistics arranged as figures and tables. The order is the page's.

Each module turns one `Stats` into sections; no number is computed here but shares of counts.
"""

from __future__ import annotations

from compiler.report.figures import artefacts, judge, losses, readers, scores
from compiler.report.figures.figure import Section
from compiler.statistics.stats import Stats


def sections(stats: Stats, min_gap: float) -> tuple[Section, ...]:
    """All sections. `min_gap`: by how much the judge must put truth above alternative."""
    return (
        scores.section(stats),
        readers.section(stats),
        judge.section(stats, min_gap),
        losses.section(stats),
        artefacts.section(stats),
    )
