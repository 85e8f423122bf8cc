"""What a build would ask and cost: requests that can be rendered are counted, others estimated.

Dollars are an interval. Tokens per call are those of earlier replies of the same role and model
where there are enough, else as the spec expects, and may differ by `expect.spread`; every written
slot may become a probe, or only `expect.built` of them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

from compiler.commands.wire import Project
from compiler.engine.plan import Graph, Planned, State
from compiler.keys import Json
from compiler.llm.dispatch import Priced
from compiler.llm.prices import CACHE_READ
from compiler.llm.providers import BATCHED, FREE
from compiler.probes import sampling
from compiler.spec.model import WrittenScope
from compiler.stages.context import Context, Role

STAGES: dict[str, Role] = {"generate": "generator", "answer": "answerer", "judge": "judge"}
# UTF-8 bytes of a request body per input token, for English text.
BYTES_PER_TOKEN = 4.2
# So many earlier replies are believed before the spec's expectation.
_ENOUGH = 50
# Share of requests that find the cached prefix; providers promise nothing, reports say 30 to 98%.
_HITS = 0.5


@dataclass(frozen=True)
class Estimate:
    """One stage and scope. `usd` is expected, `low` and `high` bound it; `ceiling` is the cost if
    every reply were as long as max_tokens.

    `basis`: whether the requests are `counted` or `estimated`; `tokens`: where tokens per call are
    from: `declared`, `bytes` or `observed`.
    """

    stage: str
    role: str
    provider: str
    model: str
    scope: str
    basis: str
    tokens: str
    cached: int
    calls: int
    bytes: int
    input_tokens: int
    output_tokens: int
    usd: float
    low: float
    high: float
    ceiling: float

    def data(self) -> Json:
        """As JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Quote:
    """All estimates of a build, and the batches that each stage would take."""

    estimates: list[Estimate]
    batches: dict[str, tuple[int, int]]
    notices: list[str]

    def usd(self, *stages: str) -> tuple[float, float, float]:
        """(expected, low, high) of some stages, or of all."""
        chosen = [e for e in self.estimates if not stages or e.stage in stages]
        return (
            sum(e.usd for e in chosen),
            sum(e.low for e in chosen),
            sum(e.high for e in chosen),
        )

    def data(self) -> Json:
        """As JSON."""
        expected, low, high = self.usd()
        return {
            "estimates": [each.data() for each in self.estimates],
            "batches": {
                stage: {"by_requests": by_requests, "by_bytes": by_bytes}
                for stage, (by_requests, by_bytes) in self.batches.items()
            },
            "usd": expected,
            "usd_low": low,
            "usd_high": high,
        }


def quote(
    project: Project,
    steps: Sequence[Planned] | None,
    counted: Mapping[str, Mapping[str, Priced]] | None = None,
    *,
    free: bool = False,
) -> Quote:
    """The price of the steps that are not fresh; of the whole spec when `steps` is None.

    `counted`: what `count` found, by stage and scope; `free`: with what costs nothing.
    """
    found: list[Estimate] = []
    batches: dict[str, tuple[int, int]] = {}
    notices: list[str] = []
    for stage, role in STAGES.items():
        use = getattr(project.spec.models, role)
        if use.provider in FREE and not free:
            continue
        own = [
            _exact(project, stage, scope, priced, notices)
            for scope, priced in sorted((counted or {}).get(stage, {}).items())
            if priced.calls or priced.cached
        ]
        own += _estimated(project, stage, _documents(project, stage, steps, counted))
        found += own
        if use.provider in BATCHED and any(e.calls for e in own):
            limits = project.spec.batches
            batches[stage] = (
                math.ceil(sum(e.calls for e in own) / limits.max_requests),
                math.ceil(sum(e.bytes for e in own) / limits.max_bytes),
            )
    return Quote(found, batches, list(dict.fromkeys(notices)))


def count(context: Context, graph: Graph, steps: Sequence[Planned]) -> dict[str, dict[str, Priced]]:
    """Render the requests of every stale step whose inputs are there, and look in the log."""
    found: dict[str, dict[str, Priced]] = {}
    for planned in steps:
        stage = planned.step.stage
        if planned.state is State.STALE and stage.weigh is not None:
            stage.weigh(planned.step.part, graph.inputs(planned.step))
            found[stage.name] = context.dispatchers[STAGES[stage.name]].priced
    return found


def later_usd(project: Project) -> dict[str, float]:
    """What one call of a role brings with it in later passes, as expected, in US dollars."""
    spec = project.spec
    written = sum(s.slots for s in spec.scopes.values() if isinstance(s, WrittenScope))
    per_call = {role: project.rate(role).usd(*_declared(project, role)) for role in STAGES.values()}
    rollouts = written * spec.expect.built * spec.scoring.rollouts
    return {
        "generator": rollouts * (per_call["answerer"] + per_call["judge"]),
        "answerer": per_call["judge"],
        "judge": 0.0,
    }


def _declared(project: Project, role: Role) -> tuple[int, int]:
    expected = getattr(project.spec.expect, role)
    return expected.input, expected.output


def _observed(project: Project, role: Role) -> tuple[float, float] | None:
    """Mean tokens per call of earlier replies of the same role and model."""
    model = getattr(project.spec.models, role).model
    rows = [s for s in project.log.spent() if s.role == role and s.model == model]
    calls = sum(row.calls for row in rows)
    if calls < _ENOUGH:
        return None
    read = sum(r.input_tokens + r.cache_read_tokens + r.cache_write_tokens for r in rows)
    return read / calls, sum(row.output_tokens for row in rows) / calls


def _exact(
    project: Project, stage: str, scope: str, priced: Priced, notices: list[str]
) -> Estimate:
    role = STAGES[stage]
    per_call, tokens = _observed(project, role), "observed"
    if per_call is None:
        size = priced.bytes / BYTES_PER_TOKEN / max(1, priced.calls)
        per_call, tokens = (size, float(_declared(project, role)[1])), "bytes"
    made = _made(project, stage, scope, "counted", tokens, priced.calls, per_call, priced.calls)
    return _cached(project, made, priced, notices)


def _estimated(project: Project, stage: str, documents: int) -> list[Estimate]:
    if not documents:
        return []
    role, spec = STAGES[stage], project.spec
    declared = _declared(project, role)
    per_call, tokens = _observed(project, role), "observed"
    if per_call is None:
        per_call, tokens = (float(declared[0]), float(declared[1])), "declared"
    if stage == "generate":
        return [_made(project, stage, "", "estimated", tokens, documents, per_call, documents)]
    found = []
    for name, scope in spec.ordered_scopes():
        if isinstance(scope, WrittenScope) and scope.slots:
            most = documents * scope.slots
            calls = round(most * spec.expect.built) * spec.scoring.rollouts
            high = most * spec.scoring.rollouts
            found.append(_made(project, stage, name, "estimated", tokens, calls, per_call, high))
    return found


def _made(
    project: Project,
    stage: str,
    scope: str,
    basis: str,
    tokens: str,
    calls: int,
    per_call: tuple[float, float],
    most: int,
) -> Estimate:
    role = STAGES[stage]
    use, rate, spread = getattr(project.spec.models, role), project.rate(role), _spread(project)
    read, written = round(calls * per_call[0]), round(calls * per_call[1])
    usd = rate.usd(read, written)
    high = usd * most / calls if calls else 0.0
    longest = rate.usd(round(most * per_call[0] * (1 + spread)), most * use.max_tokens)
    return Estimate(
        stage, role, use.provider, use.model, scope, basis, tokens, 0, calls,
        round(calls * (per_call[0] * BYTES_PER_TOKEN)), read, written,
        usd, usd * (1 - spread), high * (1 + spread), longest,
    )  # fmt: skip


def _cached(project: Project, made: Estimate, priced: Priced, notices: list[str]) -> Estimate:
    """With what is in the log, the real bytes, and the provider's own cache of the system text."""
    role = STAGES[made.stage]
    use, rate = getattr(project.spec.models, role), project.rate(role)
    usd, low, high = made.usd, made.low, made.high
    if use.cache is not None and use.provider not in FREE and made.calls:
        system = priced.system / priced.calls / BYTES_PER_TOKEN
        minimum = project.spec.prices[use.model].cache_minimum
        if system < minimum:
            notices.append(
                f"{role}: its system text of about {system:,.0f} tokens is below the {minimum:,} "
                "from which the provider caches; `cache` has no effect"
            )
        else:
            base = made.calls * system * rate.input / 1_000_000
            mixed = _HITS * CACHE_READ + (1 - _HITS) * rate.cache_write
            usd += base * (mixed - 1)
            low += base * (CACHE_READ - 1)
            high += base * (rate.cache_write - 1)
    values = {**asdict(made), "usd": usd, "low": max(0.0, low), "high": high}
    values.update(cached=priced.cached, bytes=priced.bytes)
    return Estimate(**values)


def _spread(project: Project) -> float:
    return project.spec.expect.spread


def _documents(
    project: Project,
    stage: str,
    steps: Sequence[Planned] | None,
    counted: Mapping[str, Mapping[str, Priced]] | None,
) -> int:
    """How many documents' requests cannot be counted yet."""
    rounds = [each.docs for each in project.spec.rounds]
    if steps is None:
        return sum(rounds)
    shards = [sampling.shards(docs, project.spec.shard_docs) for docs in rounds]
    unknown = (State.WAITS,) if counted is not None else (State.WAITS, State.STALE)
    return sum(
        len(shards[step.step.part[0]][step.step.part[1]])
        for step in steps
        if step.step.stage.name == stage and step.state in unknown
    )
