"""The optional parts of a spec's scoring, each with its own price."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct
from msgspec.structs import asdict, replace

from compiler.keys import Json
from compiler.pricing.estimate import Quote, quote
from compiler.pricing.quotes import cells
from compiler.pricing.usage import Basis
from compiler.project.project import Project
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.spec.model import Spec
from compiler.spec.scoring import BASELINES, Scoring


class Addition(Struct, frozen=True):
    """An optional part of the scoring, and its price over the whole dataset.

    `name`: its path in the spec; `usd`: expected US dollars, in the interval from `low` to `high`.
    """

    name: str
    calls: int
    usd: float
    low: float
    high: float

    def data(self) -> Json:
        """Convert to JSON."""
        return asdict(self)


def additions(project: Project, basis: Basis | None) -> tuple[Addition, ...]:
    """Price every optional part: the price of the spec less that of the spec without the part.

    Both are of the whole dataset, whatever is built or in the log. Parts without requests that are
    paid for are left out.
    """
    spec = project.declared
    if not isinstance(spec, Spec):
        return ()
    whole = quote(project, None, basis=basis)
    found = []
    for name, scoring in _without(spec.scoring):
        varied = replace(project, declared=spec.model_copy(update={"scoring": scoring}))
        rest = quote(varied, None, basis=basis)
        calls = _calls(whole) - _calls(rest)
        if calls:
            usd, low, high = (a - b for a, b in zip(whole.usd(), rest.usd(), strict=True))
            found.append(Addition(f"scoring.{name}", calls, usd, low, high))
    return tuple(found)


def text(found: Sequence[Addition], screen: Screen = PLAIN) -> str:
    """Format the prices as a table."""
    rows = [(each.name, each.calls, *cells(each.usd, each.low, each.high)) for each in found]
    header = ("optional, over the whole dataset", "requests", "US$", "interval")
    return f"{table(header, rows, screen)}\n\neach is removed with its line in the spec"


def _without(scoring: Scoring) -> Iterator[tuple[str, Scoring]]:
    """Yield the path of each optional part that is declared, and the scoring without it."""
    for name in BASELINES:
        if getattr(scoring.baselines, name) is not None:
            rest = scoring.baselines.model_copy(update={name: None})
            yield f"baselines.{name}", scoring.model_copy(update={"baselines": rest})
    for name in ("anchors", "rejudge"):
        if getattr(scoring, name) is not None:
            yield name, scoring.model_copy(update={name: None})
    leading = scoring.leading()
    if leading.compare != scoring.compare:
        yield "compare", leading


def _calls(costs: Quote) -> int:
    return sum(each.calls for each in costs.estimates)
