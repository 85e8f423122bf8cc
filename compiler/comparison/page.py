"""A comparison as a self-contained HTML page."""

from __future__ import annotations

from compiler.comparison.changes import noise
from compiler.comparison.outcomes import BANDS, Outcomes, Shift
from compiler.comparison.report import Report, names, titles
from compiler.report import numbers
from compiler.report.pages import Page
from compiler.templating.prompts import Library

TEMPLATE = "diff.html.j2"


def render(templates: Library, report: Report) -> str:
    """Render the page.

    Raises:
        PromptError: the project has no template for it, or the template fails.
    """
    values = {
        "r": report,
        "bands": BANDS,
        "names": names,
        "titles": titles,
        "axis": axis,
        "noise": noise,
    }
    remedy = "copy the template from a probec checkout"
    # Documents and prompts may contain markup.
    page = Page(
        templates,
        TEMPLATE,
        remedy,
        escaped=True,
        signed=numbers.signed,
        usd=numbers.usd,
        rate=numbers.share,
    )
    return page.render(values)


def axis(outcomes: Outcomes) -> float:
    """Return the half-width of an axis around 0 that shows all shifts and intervals."""
    return max([0.02, *(_reach(each) for each in outcomes.shifts)]) * 1.08


def _reach(shift: Shift) -> float:
    found = (shift.shift.value, shift.shift.low, shift.shift.high)
    return max(abs(each) for each in (*found, 0.0) if each is not None)
