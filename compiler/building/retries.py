"""Replies that ended badly, retired so that the next build sends their requests again."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

from compiler.building.estimate import call_usd
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, Planned, State
from compiler.errors import DamagedError
from compiler.keys import Json
from compiler.llm.messages import Outcome, Reply
from compiler.llm.repair import decode
from compiler.probes.reply import interpret
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord
from compiler.stages.asking import ASKING
from compiler.stages.context import Context

# Replies that were billed and whole, but are no use: the generator's alone.
_UNUSABLE = ("unparsed", "invalid")
DAMAGED = "damaged"
REASONS = (*(o.value for o in Outcome if o is not Outcome.OK), *_UNUSABLE, DAMAGED)


@dataclass(frozen=True)
class Retired:
    """Retired replies.

    `replies`: how many by stage; `usd`: the expected cost of sending them again; `unseen`: steps
    whose requests are not known before others have run; `dry_run`: nothing was changed.
    """

    reasons: tuple[str, ...]
    replies: Mapping[str, int]
    usd: float
    unseen: int
    dry_run: bool

    def data(self) -> Json:
        """As JSON."""
        return {
            "retired": {**self.replies},
            "expected_usd": self.usd,
            "dry_run": self.dry_run,
            "unseen_steps": self.unseen,
        }


@dataclass
class _Unwanted:
    """Keys of such replies by stage, the keys of finished steps that were made of them, and steps
    whose requests are not known before others have run.
    """

    replies: dict[str, list[str]] = field(default_factory=lambda: {stage: [] for stage in ASKING})
    steps: list[str] = field(default_factory=list)
    unseen: int = 0


def retire(project: Project, reasons: Collection[str], *, dry_run: bool) -> Retired:
    """Retire the replies of a build that ended for one of these reasons; the log keeps them aside.

    Raises:
        UsageError: the source or a tokenizer must be fetched first.
    """
    project.require_local()
    context = project.context(Silent())
    graph = project.graph(context)
    with locked(project.store.root):
        found = _find(project, context, graph, set(reasons))
        usd = sum(
            len(keys) * call_usd(project, ASKING[stage]) for stage, keys in found.replies.items()
        )
        if not dry_run:
            # In this order a crash in between changes nothing: the steps run again as they were.
            for key in found.steps:
                project.store.forget(key)
            project.log.retire(key for keys in found.replies.values() for key in keys)
    counts = {stage: len(keys) for stage, keys in found.replies.items() if keys}
    return Retired(tuple(reasons), counts, usd, found.unseen, dry_run)


def text(found: Retired) -> str:
    """Format the outcome of a retry for a terminal."""
    unseen = (
        f"\n{found.unseen} steps wait for others that must run first: replies that only they would "
        "use were not looked at"
        if found.unseen
        else ""
    )
    total = sum(found.replies.values())
    if not total:
        return f"no reply of this build ended as {', '.join(found.reasons)}{unseen}"
    listed = ", ".join(f"{count:,} of {stage}" for stage, count in found.replies.items())
    verb = "would be asked again" if found.dry_run else "are asked again by the next `probec build`"
    return (
        f"{total:,} repl{'ies' if total > 1 else 'y'} ({listed}) {verb}, for about "
        f"${found.usd:,.2f} and what follows from them; the old ones are kept aside in the "
        f"log{unseen}"
    )


def _find(project: Project, context: Context, graph: Graph, reasons: set[str]) -> _Unwanted:
    """Look up every request that can be rendered, of finished steps and of others."""
    found = _Unwanted()
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
    """Find the keys of one step's replies that ended for one of these reasons."""
    stage, inputs = planned.step.stage, graph.inputs(planned.step)
    assert stage.weigh is not None
    dispatcher = context.dispatchers[ASKING[stage.name]]
    records: dict[str, DocRecord] = {}
    if stage.name == "generate" and reasons & {*_UNUSABLE}:
        rows = inputs.rows("sample.records", DocRecord)
        records = {f"document {record.doc_id}": record for record in rows}
    keys: list[str] = []

    def look(key: str, place: str) -> None:
        try:
            reply = project.log.get(key)
        except DamagedError:
            reason = DAMAGED
        else:
            reason = "" if reply is None else _reason(reply, records.get(place))
        if reason in reasons:
            keys.append(key)

    dispatcher.on_cached = look
    stage.weigh(planned.step.part, inputs)
    dispatcher.on_cached = None
    return keys


def _reason(reply: Reply, record: DocRecord | None) -> str:
    """Name the end of a reply. `record`: of the generator's request, to interpret the reply by."""
    if reply.outcome is not Outcome.OK or record is None:
        return reply.outcome.value
    decoded = decode(reply.text)
    if decoded is None:
        return "unparsed"
    return "invalid" if isinstance(interpret(decoded.value, record), str) else "ok"
