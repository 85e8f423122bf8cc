"""The plan of a build: its steps, the reasons that they would run, and their price.

Planning opens no socket.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from msgspec import Struct

from compiler.building import chain, folder, recovery
from compiler.building.locking import refuse_changed
from compiler.engine.plan import Planned, State
from compiler.engine.stage import label
from compiler.errors import DamagedError
from compiler.keys import Json
from compiler.pricing import additions, pace, quotes, usage
from compiler.pricing.additions import Addition
from compiler.pricing.estimate import Quote, count, quote
from compiler.project import defaults
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table

_DAMAGED = (
    "the reply to request {key} is damaged: restore it from a copy with `probec cache pull`, or "
    "send its request again with `probec retry SPEC --reason damaged`"
)


class Plan(Struct, frozen=True):
    """The steps of a project and their price.

    `blocked`: what must be fetched before the steps can be planned; if not empty, the price is an
    estimate of the whole spec. `optional`: the optional parts of the scoring, each with its price
    over the whole dataset. `installed`: False if every step is finished, but the dataset's
    directory holds another build.
    """

    project: Project
    costs: Quote
    optional: tuple[Addition, ...]
    steps: tuple[Planned, ...] = ()
    blocked: tuple[str, ...] = ()
    notices: tuple[str, ...] = ()
    installed: bool = True

    @property
    def reads(self) -> bool:
        """True if a build would read the source, as far as this is known."""
        stale = (each for each in self.steps if each.state is not State.FRESH)
        return bool(self.blocked) or any(each.step.stage.name == "ingest" for each in stale)

    def data(self) -> Json:
        """Convert to JSON."""
        name, price = self.project.declared.name, self.costs.data()
        optional: Json = [each.data() for each in self.optional]
        prices: dict[str, Json] = {"price": price, "optional": optional}
        if self.blocked:
            return {"name": name, "blocked": [*self.blocked], **prices}
        steps: list[Json] = [
            {
                "stage": each.step.stage.name,
                "part": label(each.step.part),
                "state": each.state.value,
                "reason": each.reason,
                "key": each.key,
            }
            for each in self.steps
        ]
        notices: list[Json] = [*self.notices]
        return {"name": name, "notices": notices, "steps": steps, **prices}


def plan(project: Project) -> Plan:
    """Plan a build as far as possible without the network.

    Raises:
        UsageError: the spec would draw or sample a locked round differently.
    """
    refuse_changed(project, None)
    chain.require(project)
    blocked = project.blocked()
    if blocked:
        known = usage.basis(project)
        costs, optional = quote(project, None, basis=known), additions.additions(project, known)
        return Plan(project, costs, optional, (), tuple(blocked), tuple(project.notices))
    context = project.context(Silent())
    graph = project.graph(context)
    refuse_changed(project, graph)
    steps = graph.plan()
    damaged: dict[str, None] = {}

    def check(key: str, place: str) -> None:
        try:
            project.log.text(key)
        except DamagedError:
            damaged[key] = None

    for dispatcher in context.dispatchers.values():
        dispatcher.on_cached = check
    measured = usage.basis(project, context, graph)
    costs = quote(project, steps, count(context, graph, steps), basis=measured)
    built = all(step.state is State.FRESH for step in steps)
    other = folder.mismatch(project.directory, graph, project.command) if built else None
    told = (
        *project.notices,
        *(() if built else defaults.notices(project, context)),
        *([other] if other is not None else []),
        *recovery.notices(project.log, project.journal),
        *(_DAMAGED.format(key=key[:12]) for key in damaged),
    )
    optional = additions.additions(project, measured)
    return Plan(project, costs, optional, tuple(steps), notices=told, installed=other is None)


def text(found: Plan, screen: Screen = PLAIN) -> str:
    """Format a plan for a terminal."""
    return "\n\n".join([*map(screen.wrapped, found.notices), *_parts(found, screen)])


def _parts(found: Plan, screen: Screen) -> Iterator[str]:
    spec, steps = found.project.declared, found.steps
    if found.blocked:
        yield f"{spec.name}: {spec.size()}"
        yield (
            "the plan stops here, because planning opens no socket:\n"
            + "\n".join(f"  - {each}" for each in found.blocked)
            + "\nrun `probec build` to fetch them, or plan on a local copy with --source FILE"
        )
    else:
        yield _stages(steps, screen)
        if all(step.state is State.FRESH for step in steps):
            what = "everything is" if found.installed else "every step, but not the directory, is"
            yield f"{what} up to date ({len(steps)} steps)"
            return
    yield quotes.text(spec, found.costs, screen)
    hours = "" if found.project.kind.measured else pace.text(found.project, found.costs)
    if hours:
        yield screen.wrapped(hours)
    if found.optional:
        yield additions.text(found.optional, screen)


def _stages(steps: Sequence[Planned], screen: Screen) -> str:
    rows: list[tuple[object, ...]] = []
    for name in dict.fromkeys(step.step.stage.name for step in steps):
        own = [step for step in steps if step.step.stage.name == name]
        stale = [step for step in own if step.state is State.STALE]
        waits = [step for step in own if step.state is State.WAITS]
        first = next(iter(stale or waits), None)
        rows.append(
            (
                name,
                len(own),
                len(own) - len(stale) - len(waits),
                len(stale),
                len(waits),
                first.reason if first is not None else "",
            )
        )
    return table(("stage", "steps", "up to date", "run", "maybe", "first reason"), rows, screen)
