"""A pilot: the first documents of a plan, built under a name of their own to price the rest."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from msgspec.structs import replace

from compiler.building.build import make
from compiler.building.jobs import Workers
from compiler.building.locking import refuse_changed
from compiler.building.receipt import Receipt
from compiler.errors import UsageError
from compiler.keys import Json
from compiler.pricing import quotes, usage
from compiler.pricing.estimate import Quote, count, quote
from compiler.pricing.extrapolation import extrapolated
from compiler.pricing.usage import Usage
from compiler.probes import sampling
from compiler.project.project import Project
from compiler.project.reporter import Reporter, Silent
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.spec.model import Round

# The longest name of a dataset.
_LONGEST = 80


@dataclass(frozen=True)
class Rest:
    """The rest of a plan, priced from its pilot.

    `documents`, `total`: of the pilot and of the plan. `rows`: expected rows of the whole plan by
    scope, (planned slots, expected, low, high).
    """

    project: Project
    documents: int
    costs: Quote
    rows: Mapping[str, tuple[int, float, float, float]]

    @property
    def total(self) -> int:
        """Documents of the plan."""
        return self.project.spec.documents()

    def data(self) -> Json:
        """Convert to JSON."""
        rows: list[Json] = [
            {"scope": scope, "planned": planned, "expected": rows, "low": low, "high": high}
            for scope, (planned, rows, low, high) in self.rows.items()
        ]
        return {
            "documents": self.documents,
            "of": self.total,
            "price": self.costs.data(),
            "rows": rows,
        }


def make_pilot(
    project: Project,
    documents: int,
    reporter: Reporter,
    max_usd: float | None,
    where: Workers,
    onward: str = "",
    screen: Screen = PLAIN,
) -> Receipt:
    """Build the first documents of a plan, and price the rest from their usage and losses.

    `screen`: of the price; the other parameters are those of `build.make`.

    Raises:
        UsageError: the plan has fewer documents.
    """
    built = make(cut(project, documents), reporter, max_usd, where, onward)
    found = rest(project, documents)
    assert isinstance(built.data, dict)
    data: dict[str, Json] = {**built.data, "pilot": found.data()}
    return Receipt(f"{built.text}\n\n{text(found, screen)}", data, built.code)


def cut(project: Project, documents: int) -> Project:
    """Return the project of a pilot: the first documents of each round of a plan, in draw order.

    It has a dataset directory, locks and a ledger of its own, and draws the documents that the plan
    draws, also from locked rounds.

    Raises:
        UsageError: the plan has fewer documents, or its name leaves no room for the pilot's.
    """
    spec = project.spec
    if documents > spec.documents():
        raise UsageError(
            f"--pilot {documents:,}: the plan has {spec.documents():,} documents",
            hint=f"name at most {spec.documents():,}, or build without --pilot",
        )
    sizes: list[int] = []
    for each in spec.rounds:
        left = documents - sum(sizes)
        if left > 0:
            sizes.append(min(left, each.docs))
    name = name_of(spec.name, documents)
    if len(name) > _LONGEST:
        raise UsageError(
            f"the pilot's name {name!r} is longer than {_LONGEST} characters",
            hint="shorten the name of the dataset",
        )
    fixed: dict[int, Mapping[str, str]] = dict(project.locked())
    for index, size in enumerate(sizes):
        if index in fixed:
            order = sampling.shuffled(list(fixed[index]), spec.seed)
            fixed[index] = {doc: fixed[index][doc] for doc in order[:size]}
    rounds = [Round(docs=size) for size in sizes]
    return replace(
        project,
        declared=spec.model_copy(update={"name": name, "rounds": rounds}),
        pilot=True,
        fixed=fixed,
    )


def name_of(name: str, documents: int) -> str:
    """Return the name of a pilot's dataset."""
    return f"{name}-pilot{documents}"


def rest(project: Project, documents: int) -> Rest:
    """Price what a build of the plan still has to send, from the usage of its finished pilot."""
    context = project.context(Silent())
    graph = project.graph(context)
    refuse_changed(project, graph)
    steps = graph.plan()
    measured = usage.basis(project, context, graph)
    costs = quote(project, steps, count(context, graph, steps), basis=measured)
    for dispatcher in context.dispatchers.values():
        dispatcher.close()
    found = usage.read(project, name_of(project.spec.name, documents))
    return Rest(project, documents, costs, _rows(project, found) if found is not None else {})


def _rows(project: Project, measured: Usage) -> dict[str, tuple[int, float, float, float]]:
    """Extrapolate rows by scope: those of the pilot, and of the others like them."""
    spec = project.spec
    total = spec.documents()
    found = {}
    for name, scope in spec.ordered_scopes():
        rows = measured.rows(name)
        have, planned = sum(rows), total * scope.slots
        expected, low, high = extrapolated(rows, total - len(rows), spec.expect.spread)
        found[name] = (
            planned,
            have + expected,
            have + low,
            min(float(planned), have + high),
        )
    return found


def text(found: Rest, screen: Screen = PLAIN) -> str:
    """Format the price of the rest for a terminal."""
    spec = found.project.spec
    head = (
        f"pilot: {found.documents:,} of {found.total:,} documents of {spec.name}; below, what the "
        "build of all of them still has to send, by the pilot's usage and losses"
    )
    rows = [
        (scope, planned, round(expected), f"{low:,.0f} .. {high:,.0f}", f"{expected / planned:.1%}")
        for scope, (planned, expected, low, high) in found.rows.items()
        if planned
    ]
    header = ("scope", "planned slots", "expected rows", "interval", "of planned")
    price = quotes.text(spec, found.costs, screen)
    parts = [screen.wrapped(head), price, table(header, rows, screen) if rows else ""]
    return "\n\n".join(part for part in parts if part)
