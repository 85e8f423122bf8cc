"""`probec retry`: ask again for replies that ended badly. The old ones are kept aside."""

from __future__ import annotations

import argparse
from collections import Counter
from dataclasses import dataclass, field

from compiler.building.estimate import call_usd
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, Planned, State
from compiler.keys import Json
from compiler.llm.messages import Outcome, Reply
from compiler.llm.repair import decode
from compiler.probes.reply import interpret
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord
from compiler.stages.asking import ASKING
from compiler.stages.context import Context

EXAMPLE = "probec retry specs/demo.yaml --reason truncated"
# Replies that were billed and whole, but are no use: the generator's alone.
_UNUSABLE = ("unparsed", "invalid")
REASONS = (*(o.value for o in Outcome if o is not Outcome.OK), *_UNUSABLE)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Which replies."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--reason",
        action="append",
        required=True,
        choices=REASONS,
        metavar="REASON",
        help=f"how the reply ended: {', '.join(REASONS)}; may be given more than once",
    )
    parser.add_argument("--dry-run", action="store_true", help="count, change nothing")


@dataclass
class _Found:
    """Keys of such replies by stage, the keys of finished steps that were made of them, and steps
    whose requests cannot be told before others have run.
    """

    replies: dict[str, list[str]] = field(default_factory=lambda: {stage: [] for stage in ASKING})
    steps: list[str] = field(default_factory=list)
    unseen: int = 0


def run(args: argparse.Namespace) -> Result:
    """Retire such replies of this spec, so that the next build asks for them anew."""
    project = opening.project(arguments.variant(args))
    project.require_local()
    context = project.context(Silent())
    graph = project.graph(context)
    with locked(project.store.root):
        found = _find(project, context, graph, set(args.reason))
        usd = sum(
            len(keys) * call_usd(project, ASKING[stage]) for stage, keys in found.replies.items()
        )
        if not args.dry_run:
            # In this order a crash in between changes nothing: the steps run again as they were.
            for key in found.steps:
                project.store.forget(key)
            project.log.retire(key for keys in found.replies.values() for key in keys)
    counts = Counter({stage: len(keys) for stage, keys in found.replies.items() if keys})
    total = sum(counts.values())
    data: dict[str, Json] = {
        "retired": {**counts},
        "expected_usd": usd,
        "dry_run": args.dry_run,
        "unseen_steps": found.unseen,
    }
    unseen = (
        f"\n{found.unseen} steps wait for others that must run first: replies that only they would "
        "use were not looked at"
        if found.unseen
        else ""
    )
    if not total:
        return Result(f"no reply of this build ended as {', '.join(args.reason)}{unseen}", data)
    listed = ", ".join(f"{count:,} of {stage}" for stage, count in counts.items())
    verb = "would be asked again" if args.dry_run else "are asked again by the next `probec build`"
    return Result(
        f"{total:,} repl{'ies' if total > 1 else 'y'} ({listed}) {verb}, for about ${usd:,.2f} and "
        f"what follows from them; the old ones are kept aside in the log{unseen}",
        data,
    )


def _find(project: Project, context: Context, graph: Graph, reasons: set[str]) -> _Found:
    """Look up every request that can be rendered, of finished steps and of others."""
    found = _Found()
    for each in graph.plan():
        stage = each.step.stage
        if stage.weigh is None:
            continue
        if each.state is State.WAITS:
            found.unseen += 1
            continue
        keys = _keys(project, context, graph, each, reasons)
        # Samples and documents may share a request.
        found.replies[stage.name] = list(dict.fromkeys(found.replies[stage.name] + keys))
        if keys and each.state is State.FRESH and each.key is not None:
            found.steps.append(each.key)
    return found


def _keys(
    project: Project, context: Context, graph: Graph, planned: Planned, reasons: set[str]
) -> list[str]:
    """The keys of one step's replies that ended for one of these reasons."""
    stage, inputs = planned.step.stage, graph.inputs(planned.step)
    assert stage.weigh is not None
    dispatcher = context.dispatchers[ASKING[stage.name]]
    records: dict[str, DocRecord] = {}
    if stage.name == "generate" and reasons & {*_UNUSABLE}:
        rows = inputs.rows("sample.records", DocRecord)
        records = {f"document {record.doc_id}": record for record in rows}
    keys: list[str] = []

    def look(key: str, place: str) -> None:
        reply = project.log.get(key)
        if reply is not None and _reason(reply, records.get(place)) in reasons:
            keys.append(key)

    dispatcher.on_cached = look
    stage.weigh(planned.step.part, inputs)
    dispatcher.on_cached = None
    return keys


def _reason(reply: Reply, record: DocRecord | None) -> str:
    """How a reply ended. `record`: what the generator was shown, to see whether it is of use."""
    if reply.outcome is not Outcome.OK or record is None:
        return reply.outcome.value
    decoded = decode(reply.text)
    if decoded is None:
        return "unparsed"
    return "invalid" if isinstance(interpret(decoded.value, record), str) else "ok"
