"""The estimated requests and cost of a build: counted where they can be rendered, else estimated.

Costs are intervals in US dollars. Tokens per call are the mean of earlier replies of the same role
and model if there are at least `ENOUGH` of them, else `expect` of the spec; the interval varies
them by `expect.spread`. Expected is that the share `expect.built` of the written slots become
probes; the upper bound takes all of them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from compiler.engine.plan import Graph, Planned, State
from compiler.keys import Json
from compiler.llm.dispatch import Priced
from compiler.llm.ledger import Spend
from compiler.llm.prices import CACHE_READ
from compiler.llm.providers import BATCHED, FREE
from compiler.llm.purse import ENOUGH
from compiler.probes import sampling
from compiler.project.project import Project
from compiler.project.workload import calls_per_probe
from compiler.spec.model import WrittenScope
from compiler.stages.asking import ASKING
from compiler.stages.context import ROLES, Context, Role

# UTF-8 bytes of a request body per input token, for English text.
BYTES_PER_TOKEN = 4.2
# Assumed share of requests that hit the prompt cache: no provider guarantees one, and reported
# rates lie between 30% and 98%.
_HITS = 0.5


@dataclass(frozen=True)
class Estimate:
    """The estimate of one stage and scope, in US dollars: `usd` expected, `low` and `high` its
    interval, `ceiling` the cost if every reply were as long as max_tokens.

    `basis`: "counted" or "estimated" requests; `tokens`: the source of tokens per call, "declared",
    "bytes" or "observed". `cached`: requests in the log; `calls`: requests to be sent; `in_flight`:
    requests in open batches, whose cost `in_flight_usd` is in none of the other sums.
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
    in_flight: int = 0
    in_flight_usd: float = 0.0

    def data(self) -> Json:
        """Convert to JSON."""
        return asdict(self)


@dataclass(frozen=True)
class Quote:
    """All estimates of a build. `batches`: (by requests, by bytes) needed for each stage."""

    estimates: list[Estimate]
    batches: dict[str, tuple[int, int]]
    notices: list[str]

    def usd(self, *stages: str) -> tuple[float, float, float]:
        """Sum (expected, low, high) US dollars over these stages, or over all without any."""
        chosen = [e for e in self.estimates if not stages or e.stage in stages]
        return (
            sum(e.usd for e in chosen),
            sum(e.low for e in chosen),
            sum(e.high for e in chosen),
        )

    def in_flight(self) -> tuple[int, float]:
        """Sum (requests, expected US dollars) of counted requests in open batches."""
        return (
            sum(e.in_flight for e in self.estimates),
            sum(e.in_flight_usd for e in self.estimates),
        )

    def data(self) -> Json:
        """Convert to JSON."""
        expected, low, high = self.usd()
        flying, flying_usd = self.in_flight()
        return {
            "estimates": [each.data() for each in self.estimates],
            "batches": {
                stage: {"by_requests": by_requests, "by_bytes": by_bytes}
                for stage, (by_requests, by_bytes) in self.batches.items()
            },
            "usd": expected,
            "usd_low": low,
            "usd_high": high,
            "in_flight": flying,
            "in_flight_usd": flying_usd,
        }


def quote(
    project: Project,
    steps: Sequence[Planned] | None,
    counted: Mapping[str, Mapping[str, Priced]] | None = None,
    *,
    free: bool = False,
) -> Quote:
    """Price the steps that are not up to date; the whole spec when `steps` is None.

    `counted`: the result of `count`; `free`: include roles whose provider is free.
    """
    found: list[Estimate] = []
    batches: dict[str, tuple[int, int]] = {}
    notices: list[str] = []
    for stage, role in ASKING.items():
        use = getattr(project.spec.models, role)
        if use.provider in FREE and not free:
            continue
        own = [
            _exact(project, stage, scope, priced, notices)
            for scope, priced in sorted((counted or {}).get(stage, {}).items())
            if priced.calls or priced.cached or priced.in_flight
        ]
        own += _estimated(project, stage, _documents(project, stage, steps, counted))
        found += own
        if use.provider in BATCHED and any(e.calls for e in own):
            limits = project.spec.batches
            batches[stage] = (
                math.ceil(sum(e.calls for e in own) / limits.max_requests),
                math.ceil(sum(e.bytes for e in own) / limits.max_bytes),
            )
    for role in ROLES:
        notices += _unmatched(project, role, sum(e.in_flight for e in found if e.role == role))
    return Quote(found, batches, list(dict.fromkeys(notices)))


def count(
    context: Context, graph: Graph, steps: Sequence[Planned]
) -> Mapping[str, Mapping[str, Priced]]:
    """Render the requests of every stale step whose inputs exist, and look each up in the log.

    Returns volumes by stage and scope.
    """
    found: dict[str, defaultdict[str, Priced]] = {}
    for planned in steps:
        stage = planned.step.stage
        if planned.state is State.STALE and stage.weigh is not None:
            dispatcher = context.dispatchers[ASKING[stage.name]]
            # Two stages may send requests of one role: each is counted by itself.
            dispatcher.priced = found.setdefault(stage.name, defaultdict(Priced))
            stage.weigh(planned.step.part, graph.inputs(planned.step))
    return found


def later_usd(project: Project) -> dict[str, float]:
    """Return the expected US dollars that one call of each role causes in later passes."""
    spec = project.spec
    per_call = {role: call_usd(project, role) for role in ROLES}
    calls = calls_per_probe(spec)
    usd = sum(count * per_call[ASKING[stage]] for stage, count in calls.items())
    answers = sum(count for stage, count in calls.items() if ASKING[stage] == "answerer")
    verdicts = sum(count for stage, count in calls.items() if ASKING[stage] == "judge")
    return {
        "generator": spec.written_slots() * spec.expect.built * usd,
        "answerer": per_call["judge"] * verdicts / answers,
        "judge": 0.0,
    }


def call_usd(project: Project, role: Role) -> float:
    """Return the expected US dollars of one call: the mean of earlier calls, else as declared."""
    rate, rows = project.rate(role), _spent(project, role)
    calls = sum(row.calls for row in rows)
    if calls < ENOUGH:
        return rate.usd(*_declared(project, role))
    # Tokens that went through the provider's cache have prices of their own.
    usd = sum(
        rate.usd(r.input_tokens, r.output_tokens, r.cache_write_tokens, r.cache_read_tokens)
        for r in rows
    )
    return usd / calls


def observed_usd(project: Project) -> dict[str, float]:
    """Return the mean cost of earlier calls by role, in US dollars at today's price.

    A role with fewer than `ENOUGH` earlier calls of its model is left out.
    """
    return {role: call_usd(project, role) for role in ROLES if _observed(project, role) is not None}


def _declared(project: Project, role: Role) -> tuple[int, int]:
    expected = getattr(project.spec.expect, role)
    return expected.input, expected.output


def _spent(project: Project, role: Role) -> list[Spend]:
    """Read the recorded usage of earlier replies of the same role and model."""
    model = getattr(project.spec.models, role).model
    return [s for s in project.log.spent() if s.role == role and s.model == model]


def _observed(project: Project, role: Role) -> tuple[float, float] | None:
    """Return mean (input, output) tokens per call of earlier replies of the same role and model."""
    rows = _spent(project, role)
    calls = sum(row.calls for row in rows)
    if calls < ENOUGH:
        return None
    read = sum(r.input_tokens + r.cache_read_tokens + r.cache_write_tokens for r in rows)
    return read / calls, sum(row.output_tokens for row in rows) / calls


def _exact(
    project: Project, stage: str, scope: str, priced: Priced, notices: list[str]
) -> Estimate:
    role = ASKING[stage]
    per_call, tokens = _observed(project, role), "observed"
    if per_call is None:
        size = priced.bytes / BYTES_PER_TOKEN / max(1, priced.calls)
        read, written = _declared(project, role)
        per_call, tokens = (size if priced.calls else float(read), float(written)), "bytes"
    made = _made(project, stage, scope, "counted", tokens, priced.calls, per_call, priced.calls)
    read, written = (round(priced.in_flight * each) for each in per_call)
    made = replace(made, in_flight_usd=project.rate(role).usd(read, written))
    return _cached(project, made, priced, notices)


def _unmatched(project: Project, role: Role, counted: int) -> list[str]:
    """Report requests in open batches beyond those that were counted."""
    more = project.journal.flying(project.spec.name).get(role, 0) - counted
    if more <= 0:
        return []
    return [
        f"{role}: {more:,} request{'s' if more > 1 else ''} in open batches cannot be matched yet: "
        "from a pass that cannot be counted, or from an older spec; they are billed and will be "
        "collected, and the estimate may include them"
    ]


def _estimated(project: Project, stage: str, documents: int) -> list[Estimate]:
    if not documents:
        return []
    role, spec = ASKING[stage], project.spec
    declared = _declared(project, role)
    per_call, tokens = _observed(project, role), "observed"
    if per_call is None:
        per_call, tokens = (float(declared[0]), float(declared[1])), "declared"
    if stage == "generate":
        return [_made(project, stage, "", "estimated", tokens, documents, per_call, documents)]
    found = []
    per_probe = calls_per_probe(spec).get(stage, 0.0)
    for name, scope in spec.ordered_scopes():
        if isinstance(scope, WrittenScope) and scope.slots and per_probe:
            most = documents * scope.slots
            calls = round(round(most * spec.expect.built) * per_probe)
            high = math.ceil(most * per_probe)
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
    role = ASKING[stage]
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
    """Add the logged requests, the real bytes, and the effect of the provider's prompt cache."""
    role = ASKING[made.stage]
    use, rate = getattr(project.spec.models, role), project.rate(role)
    usd, low, high = made.usd, made.low, made.high
    if use.cache is not None and use.provider not in FREE and made.calls:
        system = priced.system / priced.calls / BYTES_PER_TOKEN
        minimum = project.spec.prices[use.model].cache_minimum
        if system < minimum:
            notices.append(
                f"{role}: the system text of about {system:,.0f} tokens is below the {minimum:,} "
                "that the provider caches from; `cache` has no effect, remove it"
            )
        else:
            base = made.calls * system * rate.input / 1_000_000
            mixed = _HITS * CACHE_READ + (1 - _HITS) * rate.cache_write
            usd += base * (mixed - 1)
            low += base * (CACHE_READ - 1)
            high += base * (rate.cache_write - 1)
    values = {**asdict(made), "usd": usd, "low": max(0.0, low), "high": high}
    values.update(cached=priced.cached, bytes=priced.bytes, in_flight=priced.in_flight)
    return Estimate(**values)


def _spread(project: Project) -> float:
    return project.spec.expect.spread


def _documents(
    project: Project,
    stage: str,
    steps: Sequence[Planned] | None,
    counted: Mapping[str, Mapping[str, Priced]] | None,
) -> int:
    """Count the documents whose requests cannot be rendered yet."""
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
