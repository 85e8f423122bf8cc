"""The report: a self-contained HTML page of statistics as plots, and a few documents to read.

Texts of a dataset are untrusted, so values are escaped. Styles, pictures and a short script are
part of the page, which is complete without the script.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial

from compiler.report import html, numbers
from compiler.report.figures import FIGURES, losses, scores
from compiler.report.figures.figure import Panel, open_cells
from compiler.report.figures.headline import headline
from compiler.report.pages import Page
from compiler.report.passages import Piece, excerpt, visible
from compiler.report.sample import ShownProbe, ShownRecord
from compiler.report.sections import sections
from compiler.spec.scoring import Anchors
from compiler.statistics.measures.clusters import RESAMPLES
from compiler.statistics.stats import Stats
from compiler.templating.prompts import Library

TEMPLATE = "report.html.j2"
AROUND = 330
"""Characters of the example's text on both sides of its split and of the ends of its atom."""


@dataclass(frozen=True)
class ReportFacts:
    """Facts on the page that the statistics do not hold.

    `models`: values of the model columns, by column; `limits`: on the mean scores of anchors, with
    which a build passes.
    """

    name: str
    origin: str
    models: Mapping[str, tuple[str, ...]]
    limits: Anchors


def render(
    templates: Library,
    stats: Stats,
    facts: ReportFacts,
    records: tuple[ShownRecord, ...],
    example: tuple[ShownRecord, ShownProbe] | None,
) -> str:
    """Render the page. `records`: shown in full; `example`: the probe below the verdict.

    Raises:
        PromptError: the template is missing or cannot be rendered.
    """
    values = {
        "stats": stats,
        "facts": facts,
        "headline": headline(stats, facts.limits),
        "sections": sections(stats, facts.limits),
        "figures": {name: partial(draw, stats, facts.limits) for name, draw in FIGURES.items()},
        "overview": overview(stats, facts.limits),
        "example": example,
        "passage": _passage(example) if example else (),
        "records": records,
        "most": max((len(record.probes) for record in records), default=0),
        "marks": max((len(record.splits) for record in records), default=0),
        "resamples": RESAMPLES,
    }
    remedy = "fix the template and run the same command again"
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


def overview(stats: Stats, limits: Anchors) -> Panel:
    """Make the first picture: blind scores by scope; without scores the slots and their losses."""
    if open_cells(stats):
        return scores.overview(stats)
    return losses.fates(stats, limits).panels[0]


def _passage(example: tuple[ShownRecord, ShownProbe]) -> tuple[Piece, ...]:
    record, probe = example
    return excerpt(record.text, probe.name, probe.split, AROUND)


def _shown(value: object) -> object:
    """Make control characters of a text visible; markup and other values stay as they are."""
    return visible(value) if type(value) is str else value
