"""Failed replies, retired so that the next build sends their requests again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from compiler.building import losses
from compiler.building.losses import Failed
from compiler.engine.lock import locked
from compiler.engine.plan import Graph, Planned, State
from compiler.engine.scratch import Scratch
from compiler.engine.stage import Inputs, Outputs, Part
from compiler.errors import DamagedError, UsageError, nearest
from compiler.keys import Json
from compiler.llm.messages import Outcome
from compiler.pricing.unit_costs import call_usd
from compiler.probes.reasons import REASONS as REJECTED
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord, Probe, Reject
from compiler.stages.context import Context

# Replies of the generator that are complete but unusable, by the reason of their rejects.
_UNUSABLE = {name: f"reply_{name}" for name in ("unparsed", "ambiguous", "invalid")}
DAMAGED = "damaged"
UNBUILT = "unbuilt"
"""A complete reply of the generator of which no written probe was built."""
ENDED = (*(o.value for o in Outcome if o is not Outcome.OK), *_UNUSABLE, DAMAGED, UNBUILT)
"""The reasons that name how a reply ended."""
# Reasons of rejects that no other reply could avoid.
_REPLACEABLE = frozenset(each for each in REJECTED if not each.startswith("no_"))


@dataclass(frozen=True)
class Retired:
    """Retired replies.

    `replies`: number of retired replies by stage; `usd`: expected US dollars of sending their
    requests again; `unseen`: number of steps whose requests depend on steps that must run first;
    `dry_run`: nothing was changed. `errors`: of all failed requests of the dataset, before.
    """

    reasons: tuple[str, ...]
    replies: Mapping[str, int]
    usd: float
    unseen: int
    dry_run: bool
    errors: Sequence[Failed] = ()

    def data(self) -> Json:
        """Convert to JSON."""
        return {
            "retired": {**self.replies},
            "expected_usd": self.usd,
            "dry_run": self.dry_run,
            "unseen_steps": self.unseen,
            "errors": [each.data() for each in self.errors],
        }


@dataclass
class _Unwanted:
    """Failed replies of a build: request keys by stage, the keys of finished steps that used them,
    and the number of steps whose requests depend on steps that must run first.

    `reasons`: number of replies by each reason that they ended for, or led to a reject by.
    """

    replies: defaultdict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    steps: list[str] = field(default_factory=list)
    unseen: int = 0
    reasons: Counter[str] = field(default_factory=Counter)


def retire(project: Project, reasons: Collection[str], *, dry_run: bool) -> Retired:
    """Retire the replies of a build that ended for one of these reasons; the log keeps a copy.

    A reason of a reject selects the generator's replies that led to such a reject.

    Raises:
        UsageError: a reason is unknown, or the source or a tokenizer must be fetched first.
    """
    project.require_local()
    unknown = [each for each in reasons if each not in ENDED and each not in _REPLACEABLE]
    context = project.context(Silent())
    graph = project.graph(context)
    errors = losses.errors(project)
    with locked(project.store.root):
        wanted = {_UNUSABLE.get(each, each) for each in reasons}
        found = _find(project, context, graph, wanted, every=bool(unknown))
        if unknown:
            raise _unknown(unknown[0], found.reasons)
        usd = sum(
            len(keys) * call_usd(project, project.kind.asking[stage])
            for stage, keys in found.replies.items()
        )
        if not dry_run:
            # In this order a crash in between is harmless: the steps run again on the same replies.
            for key in found.steps:
                project.store.forget(key)
            project.log.retire(key for keys in found.replies.values() for key in keys)
    counts = {stage: len(keys) for stage, keys in found.replies.items() if keys}
    return Retired(tuple(reasons), counts, usd, found.unseen, dry_run, errors)


def text(found: Retired) -> str:
    """Format the outcome of a retry for a terminal."""
    unseen = (
        f"\n{found.unseen} steps wait for others that must run first: replies that only they use "
        "were not examined"
        if found.unseen
        else ""
    )
    if found.errors:
        unseen += f"\n{losses.summary(found.errors)}"
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


def _unknown(reason: str, counts: Counter[str]) -> UsageError:
    """Return the error of a reason that selects no reply, with the reasons of this build."""
    why = "names no reply" if reason not in REJECTED else "does not depend on a reply"
    listed = ", ".join(f"{name} {count:,}" for name, count in counts.most_common())
    near = nearest(reason, [*counts, *ENDED, *_REPLACEABLE])
    return UsageError(
        f"--reason {reason!r} {why}",
        hint=f"{near}replies of this build by reason: {listed or 'none'}; all: {', '.join(ENDED)}, "
        "and the reject reasons of docs/checks.md that do not begin with no_",
    )


def _find(
    project: Project, context: Context, graph: Graph, reasons: set[str], *, every: bool
) -> _Unwanted:
    """Look up every request that can be rendered, of finished and of stale steps.

    `every`: find all reasons, not only those that these replies are selected by.
    """
    found = _Unwanted()
    rejects = every or not reasons <= {*ENDED} - {UNBUILT}
    for each in graph.plan():
        stage = each.step.stage
        if stage.weigh is None:
            continue
        if each.state is State.WAITS:
            found.unseen += 1
            continue
        keys = []
        for key, named in _replies(project, context, graph, each, rejects=rejects).items():
            found.reasons.update(named)
            if reasons & named:
                keys.append(key)
        # Samples and documents may share a request.
        found.replies[stage.name] = list(dict.fromkeys(found.replies[stage.name] + keys))
        if keys and each.state is State.FRESH and each.key is not None:
            found.steps.append(each.key)
    return found


def _replies(
    project: Project, context: Context, graph: Graph, planned: Planned, *, rejects: bool
) -> dict[str, set[str]]:
    """Return the reasons of each logged reply of one step, by request key; none for a good reply.

    `rejects`: with those of the rejects that it led to.
    """
    stage, inputs = planned.step.stage, graph.inputs(planned.step)
    assert stage.weigh is not None
    dispatcher = context.dispatchers[project.kind.asking[stage.name]]
    found: dict[str, set[str]] = {}
    places: dict[str, list[str]] = {}

    def look(key: str, place: str) -> None:
        places.setdefault(place, []).append(key)
        try:
            reply = project.log.get(key)
        except DamagedError:
            found[key] = {DAMAGED}
        else:
            outcome = Outcome.OK if reply is None else reply.outcome
            found[key] = set() if outcome is Outcome.OK else {outcome.value}

    dispatcher.on_cached = look
    stage.weigh(planned.step.part, inputs)
    dispatcher.on_cached = None
    if stage.name == "generate" and rejects:
        records = [
            record
            for record in inputs.rows("sample.records", DocRecord)
            for key in places.get(f"document {record.doc_id}", ())
            if DAMAGED not in found[key]
        ]
        for doc_id, reasons in _led_to(project, graph, planned.step.part, records).items():
            for key in places[f"document {doc_id}"]:
                found[key] |= reasons - {UNBUILT} if found[key] else reasons
    return found


def _led_to(
    project: Project, graph: Graph, part: Part, records: list[DocRecord]
) -> dict[str, set[str]]:
    """Return the reasons of rejects by document, from the replies about these documents."""
    stages = {stage.name: stage for stage in graph.stages}
    with TemporaryDirectory(prefix="probec-retry-") as folder:
        store = Scratch(Path(folder), project.store)
        needs = {"sample.records": [(part, store.write_rows(records))]}
        for name in ("generate", "finalize"):
            outputs = Outputs(store)
            stages[name].run(part, Inputs(store, needs), outputs)
            needs |= {f"{name}.{each}": [(part, a)] for each, a in outputs.artifacts.items()}
        made = Inputs(store, needs)
        found: dict[str, set[str]] = {record.doc_id: {UNBUILT} for record in records}
        for probe in made.rows("finalize.probes", Probe):
            found[probe.doc_id].discard(UNBUILT)
        for reject in made.rows("finalize.rejects", Reject):
            if reject.reason in _REPLACEABLE:
                found[reject.doc_id].add(reject.reason)
    return found
