"""`probec plan`: which steps would run and why, and what they would cost. Opens no socket."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from compiler.commands import wire
from compiler.commands.estimate import Estimate, estimate, total
from compiler.commands.result import Result, table
from compiler.commands.wire import Project, Silent
from compiler.engine.plan import Planned, State
from compiler.engine.stage import label
from compiler.keys import Json

EXAMPLE = "probec plan specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    wire.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Plan, or say what must be known first."""
    project = wire.project(args)
    blocked = project.blocked()
    if blocked:
        return _blocked(project, blocked)
    steps = project.graph(project.context(Silent())).plan()
    costs = estimate(project, steps)
    lines = [*project.notices, _stages(steps)]
    if all(step.state is State.FRESH for step in steps):
        lines.append(f"everything is up to date ({len(steps)} steps)")
    else:
        lines.append(_costs(costs))
    return Result("\n\n".join(lines), _data(project, steps, costs))


def _blocked(project: Project, blocked: list[str]) -> Result:
    costs = estimate(project, None)
    spec = project.spec
    docs = sum(each.docs for each in spec.rounds)
    lines = [
        *project.notices,
        f"{spec.name}: {docs:,} documents in {len(spec.rounds)} rounds, "
        f"{docs * spec.slots_per_document:,} slots",
        "the plan stops here, because no socket is opened:\n"
        + "\n".join(f"  - {each}" for each in blocked)
        + "\n`probec build` fetches them; or plan on a local copy with --source FILE",
        _costs(costs),
    ]
    data: Json = {
        "name": spec.name,
        "blocked": [*blocked],
        "estimates": [each.data() for each in costs],
        "usd": total(costs),
    }
    return Result("\n\n".join(lines), data)


def _stages(steps: Sequence[Planned]) -> str:
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
    return table(("stage", "steps", "fresh", "run", "maybe", "first reason"), rows)


def _costs(costs: Sequence[Estimate]) -> str:
    if not costs:
        return "nothing to ask"
    rows = [
        (e.role, e.provider, e.model, e.calls, e.input_tokens, e.output_tokens, f"{e.usd:,.2f}")
        for e in costs
    ]
    header = ("role", "provider", "model", "calls", "tokens in", "tokens out", "US$")
    return (
        "at most (replies already in the log cost nothing; tokens per call as the spec expects):\n"
        + table(header, rows)
        + f"\ntotal: ${total(costs):,.2f}"
    )


def _data(project: Project, steps: Sequence[Planned], costs: Sequence[Estimate]) -> Json:
    return {
        "name": project.spec.name,
        "notices": [*project.notices],
        "steps": [
            {
                "stage": each.step.stage.name,
                "part": label(each.step.part),
                "state": each.state.value,
                "reason": each.reason,
                "key": each.key,
            }
            for each in steps
        ],
        "estimates": [each.data() for each in costs],
        "usd": total(costs),
    }
