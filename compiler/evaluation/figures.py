"""Pictures of an evaluation: one dot and interval per method, for each cell."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.evaluation.places import ALL
from compiler.evaluation.results import CellResult, Evaluation, Line
from compiler.report.figures.figure import Panel, of
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval

_BELOW = -0.05


def scores(found: Evaluation) -> tuple[Panel, ...]:
    """Plot scores with their controls as rings, and the dataset's readers as lines."""
    return tuple(
        Panel(
            _title(cell),
            # Below 0, so that the ring of a control at 0 does not touch the labels.
            dots([*_scores(cell)], f"score ({cell.metric})", _BELOW, marks=_marks(cell)),
            _sample(cell),
        )
        for cell in _shown(found)
    )


def gains(found: Evaluation) -> tuple[Panel, ...]:
    """Plot latent gains around 0; cells without any control are left out."""
    panels = []
    for cell in _shown(found):
        rows = [
            Dot(line.method, line.gain, "prefix") for line in cell.lines if line.gain is not None
        ]
        if rows:
            low, high = _span([row.found for row in rows])
            svg = dots(rows, "latent gain", low, high, (Mark(0.0, "none"),))
            panels.append(Panel(_title(cell), svg, _sample(cell)))
    return tuple(panels)


def _shown(found: Evaluation) -> list[CellResult]:
    return [c for c in found.results.cells if c.primary and not (c.clean or c.typicality)]


def _sample(cell: CellResult) -> str:
    """Describe a cell's sample, and say why it has no interval."""
    few = ": too few for an interval" if cell.documents < MIN_DOCUMENTS else ""
    return f"{of(cell.probes, cell.documents)}{few}"


def _title(cell: CellResult) -> str:
    return cell.name if cell.band == ALL else f"{cell.name}, {cell.band.upper()}"


def _scores(cell: CellResult) -> Iterator[Dot]:
    for line in cell.lines:
        yield Dot(line.method, line.score, _kind(line), _value(line.control_score))


def _kind(line: Line) -> str:
    """Return the class of a method's mark: methods with a gain are drawn in colour."""
    return "prefix" if line.gain is not None else "plain"


def _marks(cell: CellResult) -> tuple[()] | tuple[Mark] | tuple[Mark, Mark]:
    blind, full = _value(cell.blind), _value(cell.full)
    if blind is None or full is None:
        return (Mark(blind, "blind"),) if blind is not None else ()
    first, second = Mark(blind, "blind"), Mark(full, "full")
    return (first, second) if blind <= full else (second, first)


def _span(found: list[Interval]) -> tuple[float, float]:
    """Return the ends of a scale that holds 0 and all intervals."""
    ends = [end for each in found for end in (each.value, each.low, each.high) if end is not None]
    return -_round(-min(ends, default=0.0)), _round(max(ends, default=0.0))


def _round(value: float) -> float:
    """Return a round number of at least `value`, from 0.1 to 1."""
    return next((each for each in (0.1, 0.2, 0.4, 0.6, 0.8) if each >= value), 1.0)


def _value(found: Interval | None) -> float | None:
    return found.value if found is not None else None
