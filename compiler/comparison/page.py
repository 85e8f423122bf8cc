"""A comparison as one page that needs nothing else. A door to jinja2: what is rendered is HTML."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from compiler.comparison.outcomes import BANDS, Outcomes, Shift
from compiler.comparison.report import Report, names, titles
from compiler.errors import PromptError

TEMPLATE = "diff.html.j2"


def render(templates: Path, report: Report) -> str:
    """The page.

    Raises:
        PromptError: the project has no template of it, or the template fails.
    """
    environment = Environment(
        loader=FileSystemLoader(templates),
        undefined=StrictUndefined,
        # Documents and prompts hold markup of their own.
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(signed=signed, usd=usd, rate=rate)
    values = {"r": report, "bands": BANDS, "names": names, "titles": titles, "axis": axis}
    try:
        return environment.get_template(TEMPLATE).render(values)
    except Exception as error:  # a template can raise anything that its expressions can
        raise PromptError(
            f"cannot be rendered: {type(error).__name__}: {error}",
            where=str(templates / TEMPLATE),
            hint="take the template from a probec checkout",
        ) from error


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
