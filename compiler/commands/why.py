"""`probec why`: the key fields that made each step stale, with old and new values."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.errors import UsageError, known
from compiler.keys import Json

if TYPE_CHECKING:
    from compiler.engine.plan import Planned

EXAMPLE = "probec why specs/demo.yaml judge 0.1 --set scoring.compare=target_response"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and the step."""
    arguments.add_spec_arguments(parser)
    parser.add_argument("stage", nargs="?", help="only this stage")
    parser.add_argument("part", nargs="?", help="only this part, such as 0.1 (round 0, shard 1)")


def run(args: argparse.Namespace) -> Result:
    """Explain every step that is not up to date."""
    from compiler.building.locking import refuse_changed
    from compiler.engine.plan import State
    from compiler.engine.stage import label
    from compiler.project import opening
    from compiler.project.reporter import Silent

    project = opening.project(arguments.variant(args))
    project.require_local()
    graph = project.graph(project.context(Silent()))
    names = [stage.name for stage in graph.stages]
    if args.stage is not None and args.stage not in names:
        raise UsageError(f"unknown stage {args.stage!r}", hint=known(args.stage, names))
    steps = [s for s in graph.plan() if args.stage in (None, s.step.stage.name)]
    if args.part is not None:
        parts = list(dict.fromkeys(label(step.step.part) for step in steps))
        if args.part not in parts:
            raise UsageError(f"no part {args.part!r}", hint=f"have: {', '.join(parts[:20])}")
        steps = [step for step in steps if label(step.step.part) == args.part]
    moved = [step for step in steps if step.state is not State.FRESH]
    text = "\n".join(_explained(step) for step in moved) or f"all {len(steps)} steps are up to date"
    try:
        refuse_changed(project, graph)
    except UsageError as error:
        # The stale steps are worth showing even if this spec cannot be built.
        text += f"\n\na build would refuse this spec: {error}"
    return Result(text, [_data(step) for step in moved])


def _explained(step: Planned) -> str:
    from compiler.engine.plan import State

    head = f"{step.step}: "
    if step.state is State.WAITS:
        return f"{head}runs only if its inputs change; {step.reason}"
    if not step.changes:
        return f"{head}would run: {step.reason}"
    return "\n".join([f"{head}would run:", *(f"  {change}" for change in step.changes)])


def _data(step: Planned) -> Json:
    from compiler.engine.stage import label

    return {
        "stage": step.step.stage.name,
        "part": label(step.step.part),
        "state": step.state.value,
        "reason": step.reason,
        "changes": [
            {"field": change.field, "old": _plain(change.old), "new": _plain(change.new)}
            for change in step.changes
        ],
    }


def _plain(value: object) -> Json:
    return value if isinstance(value, str | int | float | bool | None) else str(value)
