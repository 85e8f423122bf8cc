"""A comparison as one page that needs nothing else."""

from __future__ import annotations

from compiler.comparison.outcomes import BANDS, Outcomes, Shift
from compiler.comparison.report import Report, names, titles
from compiler.probes.prompts import Library
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
    page = Page(templates, TEMPLATE, remedy, escaped=True, signed=signed, usd=usd, rate=rate)
    return page.render(values)


def signed(value: float | None, digits: int = 3) -> str:
    """With its sign, which 0 has not; a dash for nothing."""
    if value is None:
        return "–"
    sign = "" if round(value, digits) == 0 else "−" if value < 0 else "+"
    return f"{sign}{abs(value):,.{digits}f}"


def usd(value: float) -> str:
    """Dollars with as many digits as small amounts need."""
    digits = 2 if abs(value) >= 1 or value == 0 else 4
    return f"{'−' if value < 0 else ''}${abs(value):,.{digits}f}"


def rate(count: int, of: int) -> str:
    """A share in percent; a dash when there is nothing to share."""
    return f"{100 * count / of:.1f}%" if of else "–"


def axis(outcomes: Outcomes) -> float:
    """How far a drawing of all shifts must reach to either side of 0."""
    return max([0.02, *(_reach(each) for each in outcomes.shifts)]) * 1.08


def _reach(shift: Shift) -> float:
    found = (shift.shift.value, shift.shift.low, shift.shift.high)
    return max(abs(each) for each in (*found, 0.0) if each is not None)
