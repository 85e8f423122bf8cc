"""The report: one HTML page of the statistics as plots and a few documents to read.

It is rendered with escaping on: every text of a dataset is somebody else's. The page loads nothing:
styles, pictures and the few lines of script are in it, and it is whole without the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from compiler.probes.prompts import Library
from compiler.report import html, numbers
from compiler.report.figures import FIGURES
from compiler.report.figures.headline import headline
from compiler.report.pages import Page
from compiler.report.passages import visible
from compiler.report.sample import ShownRecord
from compiler.report.sections import sections
from compiler.statistics.measures.clusters import RESAMPLES
from compiler.statistics.stats import Stats

TEMPLATE = "report.html.j2"


@dataclass(frozen=True)
class ReportFacts:
    """What the page says beside the statistics.

    `models`: by column, the values that rows have; `min_gap`: what the judge must put between
    """

    name: str
    origin: str
    models: Mapping[str, tuple[str, ...]]
    min_gap: float


def render(
    templates: Library, stats: Stats, facts: ReportFacts, records: tuple[ShownRecord, ...]
) -> str:
    """The page.

    Raises:
        PromptError: the template cannot be rendered.
    """
    values = {
        "stats": stats,
        "facts": facts,
        "headline": headline(stats, facts.min_gap),
        "sections": sections(stats, facts.min_gap),
        "figures": {name: partial(draw, stats, facts.min_gap) for name, draw in FIGURES.items()},
        "records": records,
        "most": max((len(record.probes) for record in records), default=0),
        "marks": max((len(record.splits) for record in records), default=0),
        "resamples": RESAMPLES,
    }
    remedy = "mend the template and run the same command again"
    page = Page(
        templates,
        TEMPLATE,
        remedy,
        escaped=True,
        shown=_shown,
        table=html.render,
        count=numbers.count,
        usd=numbers.usd,
    )
    return page.render(values)


def _shown(value: object) -> object:
    """What an expression gives, as it goes onto the page; markup is left alone."""
    return visible(value) if type(value) is str else value
