"""A comparison as one page that needs nothing else."""

from __future__ import annotations

from compiler.comparison.outcomes import BANDS, Outcomes, Shift
from compiler.comparison.report import Report, names, titles
from compiler.probes.prompts import Library
from compiler.report import numbers
from compiler.report.pages import Page

TEMPLATE = "diff.html.j2"


def render(templates: Library, report: Report) -> str:
    """The page.

    Raises:
        PromptError: the project has no template of it, or the template fails.
    """
    values = {"r": report, "bands": BANDS, "names": names, "titles": titles, "axis": axis}
    remedy = "take the template from a probec checkout"
    # Documents and prompts hold markup of their own.
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
    """How far a drawing of all shifts must reach to either side of 0."""
    return max([0.02, *(_reach(each) for each in outcomes.shifts)]) * 1.08


def _reach(shift: Shift) -> float:
    found = (shift.shift.value, shift.shift.low, shift.shift.high)
    return max(abs(each) for each in (*found, 0.0) if each is not None)
