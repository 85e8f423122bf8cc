"""`probec retry`: ask again for replies that ended badly. The old ones are kept aside."""

from __future__ import annotations

import argparse
from collections import Counter

from compiler.commands import wire
from compiler.commands.estimate import STAGES
from compiler.commands.result import Result
from compiler.commands.wire import Project, Silent
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, State
from compiler.errors import UsageError
from compiler.keys import Json
from compiler.llm.messages import Outcome
from compiler.records import Reject
from compiler.stages.context import Context

EXAMPLE = "probec retry specs/demo.yaml --reason truncated"
# Replies that were billed and whole, but are no use: the generator's, by their reject reason.
_UNUSABLE = {"unparsed": "reply_unparsed", "invalid": "reply_invalid"}
REASONS = (*(o.value for o in Outcome if o is not Outcome.OK), *_UNUSABLE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which replies."""
    wire.add_spec_arguments(parser)
    parser.add_argument(
        "--reason",
        action="append",
        required=True,
        choices=REASONS,
        help="how the reply ended; may be given more than once",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, change nothing")


def run(args: argparse.Namespace) -> Result:
    """Retire such replies of this build, so that the next build asks for them anew."""
    project = wire.project(args)
    blocked = project.blocked()
    if blocked:
        raise UsageError("; ".join(blocked), hint="build once, or name a local file with --source")
    context = project.context(Silent())
    graph = project.graph(context)
    with locked(project.store.root):
        found, steps = _find(project, context, graph, set(args.reason))
        usd = sum(
            len(keys) * project.rate(role).usd(expected.input, expected.output)
            for stage, keys in found.items()
            for role in (STAGES[stage],)
            for expected in (getattr(project.spec.expect, role),)
        )
        if not args.dry_run:
            # In this order a crash in between changes nothing: the steps run again as they were.
            for key in steps:
                project.store.forget(key)
            project.log.retire(key for keys in found.values() for key in keys)
    counts = Counter({stage: len(keys) for stage, keys in found.items() if keys})
    total = sum(counts.values())
    data: dict[str, Json] = {"retired": {**counts}, "expected_usd": usd, "dry_run": args.dry_run}
    if not total:
        return Result(f"no reply of this build ended as {', '.join(args.reason)}", data)
    listed = ", ".join(f"{count:,} of {stage}" for stage, count in counts.items())
    verb = "would be asked again" if args.dry_run else "are asked again by the next `probec build`"
    return Result(
        f"{total:,} repl{'ies' if total > 1 else 'y'} ({listed}) {verb}, for about ${usd:,.2f} and "
        "what follows from them; the old ones are kept aside in the log",
        data,
    )


def _find(
    project: Project, context: Context, graph: Graph, reasons: set[str]
) -> tuple[dict[str, list[str]], list[str]]:
    """Keys of such replies by stage, and the keys of the steps that were made of them."""
    found: dict[str, list[str]] = {stage: [] for stage in STAGES}
    steps: list[str] = []
    planned = graph.plan()
    unusable = _unusable(graph, reasons)
    for each in planned:
        stage = each.step.stage
        if stage.weigh is None or each.state is not State.FRESH or each.key is None:
            continue
        dispatcher = context.dispatchers[STAGES[stage.name]]
        keys: list[str] = []

        def look(key: str, place: str, stage: str = stage.name, keys: list[str] = keys) -> None:
            reply = project.log.get(key)
            if reply is None:
                return
            if reply.outcome.value in reasons or (stage == "generate" and place in unusable):
                keys.append(key)

        dispatcher.on_cached = look
        stage.weigh(each.step.part, graph.inputs(each.step))
        if keys:
            found[stage.name] += keys
            steps.append(each.key)
    return found, steps


def _unusable(graph: Graph, reasons: set[str]) -> set[str]:
    """The places of generator replies that finalize could make nothing of, for these reasons."""
    wanted = {_UNUSABLE[reason] for reason in reasons & _UNUSABLE.keys()}
    return {
        f"document {row.doc_id}"
        for _, manifest in graph.manifests("finalize")
        for row in graph.store.rows(manifest.outputs["rejects"], Reject)
        if row.reason in wanted
    }
