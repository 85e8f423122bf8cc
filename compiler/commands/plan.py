"""`probec plan`: which steps would run and why, and what they would cost. Opens no socket."""

from __future__ import annotations

import argparse
from collections.abc import Sequence

from compiler.building.estimate import Quote, count, quote
from compiler.building.locking import refuse_changed
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.plan import Planned, State
from compiler.engine.stage import label
from compiler.keys import Json
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.report.terminal import table

EXAMPLE = "probec plan specs/demo.yaml"


_SCORING = ("answer", "judge", "answer_rest", "judge_rest")
_AUDITS = ("control", "audit")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Plan, or say what must be known first."""
    project = opening.project(arguments.variant(args))
    refuse_changed(project, None)
    blocked = project.blocked()
    if blocked:
        return _blocked(project, blocked)
    context = project.context(Silent())
    graph = project.graph(context)
    refuse_changed(project, graph)
    steps = graph.plan()
    costs = quote(project, steps, count(context, graph, steps))
    lines = [*project.notices, _stages(steps)]
    if all(step.state is State.FRESH for step in steps):
        lines.append(f"everything is up to date ({len(steps)} steps)")
    else:
        lines.append(costs_table(project, costs))
    return Result("\n\n".join(lines), _data(project, steps, costs))


def _blocked(project: Project, blocked: list[str]) -> Result:
    costs = quote(project, None)
    spec = project.spec
    docs = sum(each.docs for each in spec.rounds)
    lines = [
        *project.notices,
        f"{spec.name}: {docs:,} documents in {len(spec.rounds)} rounds, "
        f"{docs * spec.slots_per_document:,} slots",
        "the plan stops here, because no socket is opened:\n"
        + "\n".join(f"  - {each}" for each in blocked)
        + "\n`probec build` fetches them; or plan on a local copy with --source FILE",
        costs_table(project, costs),
    ]
    data: Json = {
        "name": spec.name,
        "blocked": [*blocked],
        "price": costs.data(),
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


def costs_table(project: Project, costs: Quote) -> str:
    """The price per stage and scope, the batches, and the sums."""
    if not costs.estimates:
        return "nothing to pay for"
    rows = [
        (
            e.stage,
            e.scope or "-",
            e.calls + e.cached + e.in_flight,
            e.cached,
            e.in_flight,
            e.calls,
            f"{e.bytes / 1_000_000:,.1f}",
            e.input_tokens,
            e.output_tokens,
            f"{e.usd:,.2f}",
            f"{e.low:,.2f} .. {e.high:,.2f}",
            f"{e.basis}, tokens {e.tokens}",
        )
        for e in costs.estimates
    ]
    header = (
        *(
            "stage",
            "scope",
            "requests",
            "in the log",
            "in flight",
            "new",
            "MB",
            "tokens in",
            "tokens out",
        ),
        *("US$", "interval", "how known"),
    )
    models = {e.role: f"{e.role}: {e.model} through {e.provider}" for e in costs.estimates}
    lines = ["\n".join(models.values()), table(header, rows)]
    if costs.batches:
        limits = project.spec.batches
        lines.append(
            table(
                ("batches", f"by {limits.max_requests:,} requests",
                 f"by {limits.max_bytes / 1_000_000:,.0f} MB", "needed"),
                [(stage, n, m, max(n, m)) for stage, (n, m) in costs.batches.items()],
            )
        )  # fmt: skip
    flying, flying_usd = costs.in_flight()
    ceiling = sum(e.ceiling for e in costs.estimates)
    lines += costs.notices
    if flying:
        lines.append(
            f"in flight: {flying:,} request{'s' if flying > 1 else ''} in open batches, expected "
            f"to cost ${flying_usd:,.2f}, in none of these sums; the next build collects them"
        )
    sums = [f"scoring (answer and judge): {_dollars(*costs.usd(*_SCORING))}"]
    if costs.usd(*_AUDITS)[0]:
        sums.append(f"baselines, anchors, judging again: {_dollars(*costs.usd(*_AUDITS))}")
    sums.append(f"total: {_dollars(*costs.usd())}; the wall is ${project.spec.budget.max_usd:,.2f}")
    sums.append(f"if every reply were as long as max_tokens: ${ceiling:,.2f}")
    lines.append("\n".join(sums))
    return "\n\n".join(lines)


def _dollars(expected: float, low: float, high: float) -> str:
    return f"${expected:,.2f} (${low:,.2f} to ${high:,.2f})"


def _data(project: Project, steps: Sequence[Planned], costs: Quote) -> Json:
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
        "price": costs.data(),
    }
