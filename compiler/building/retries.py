"""Failed replies, retired so that the next build sends their requests again."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field

from compiler.building.estimate import call_usd
from compiler.decoding.repair import Undecoded, decode
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, Planned, State
from compiler.errors import DamagedError
from compiler.keys import Json
from compiler.llm.messages import Outcome, Reply
from compiler.probes.offer import Offer
from compiler.probes.reply import SCHEMA, interpret
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord
from compiler.stages.asking import ASKING
from compiler.stages.context import Context
from compiler.stages.generate import offers

# Replies of the generator that are complete but unusable. They were billed.
_UNUSABLE = ("unparsed", "ambiguous", "invalid")
DAMAGED = "damaged"
REASONS = (*(o.value for o in Outcome if o is not Outcome.OK), *_UNUSABLE, DAMAGED)


@dataclass(frozen=True)
class Retired:
    """Retired replies.

    `replies`: number of retired replies by stage; `usd`: expected US dollars of sending their
    requests again; `unseen`: number of steps whose requests depend on steps that must run first;
    `dry_run`: nothing was changed.
    """

    reasons: tuple[str, ...]
    replies: Mapping[str, int]
    usd: float
    unseen: int
    dry_run: bool

    def data(self) -> Json:
        """Convert to JSON."""
        return {
            "retired": {**self.replies},
            "expected_usd": self.usd,
            "dry_run": self.dry_run,
            "unseen_steps": self.unseen,
        }


@dataclass
class _Unwanted:
    """Failed replies of a build: request keys by stage, the keys of finished steps that used them,
    and the number of steps whose requests depend on steps that must run first.
    """

    replies: dict[str, list[str]] = field(default_factory=lambda: {stage: [] for stage in ASKING})
    steps: list[str] = field(default_factory=list)
    unseen: int = 0


def retire(project: Project, reasons: Collection[str], *, dry_run: bool) -> Retired:
    """Retire the replies of a build that ended for one of these reasons; the log keeps a copy.

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
            # In this order a crash in between is harmless: the steps run again on the same replies.
            for key in found.steps:
                project.store.forget(key)
            project.log.retire(key for keys in found.replies.values() for key in keys)
    counts = {stage: len(keys) for stage, keys in found.replies.items() if keys}
    return Retired(tuple(reasons), counts, usd, found.unseen, dry_run)


def text(found: Retired) -> str:
    """Format the outcome of a retry for a terminal."""
    unseen = (
        f"\n{found.unseen} steps wait for others that must run first: replies that only they use "
        "were not examined"
        if found.unseen
        else ""
    )
    total = sum(found.replies.values())
    if not total:
        return f"no reply of this build ended as {', '.join(found.reasons)}{unseen}"
    listed = ", ".join(f"{count:,} of {stage}" for stage, count in found.replies.items())
    verb = "would be retired" if found.dry_run else "retired"
    again = "their requests" if total > 1 else "its request"
    return (
        f"{total:,} repl{'ies' if total > 1 else 'y'} ({listed}) {verb}: the next `probec build` "
        f"sends {again} again, for about ${found.usd:,.2f} and the cost of later stages; the log "
        f"keeps the old replies aside{unseen}"
    )


def _find(project: Project, context: Context, graph: Graph, reasons: set[str]) -> _Unwanted:
    """Look up every request that can be rendered, of finished and of stale steps."""
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
    find = offers(context)
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
            reason = "" if reply is None else _reason(reply, records.get(place), find)
        if reason in reasons:
            keys.append(key)

    dispatcher.on_cached = look
    stage.weigh(planned.step.part, inputs)
    dispatcher.on_cached = None
    return keys


def _reason(reply: Reply, record: DocRecord | None, find: Callable[[DocRecord], Offer]) -> str:
    """Name how a reply ended.

    `record`: of the generator's request, needed to interpret it; `find` its offer.
    """
    if reply.outcome is not Outcome.OK or record is None:
        return reply.outcome.value
    decoded = decode(reply.text, SCHEMA)
    if isinstance(decoded, Undecoded):
        return "ambiguous" if decoded.ambiguous else "unparsed"
    return "invalid" if isinstance(interpret(decoded.value, record, find(record)), str) else "ok"
