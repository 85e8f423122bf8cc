"""The estimated requests and cost of a build: counted where they can be rendered, else estimated.

Costs are intervals in US dollars. Tokens per call, and the calls of a document, are those of a
measured build or pilot if there is one (see `usage`), with a 95% interval over its documents.
Otherwise tokens are the mean of earlier replies of the same role and model if there are at least
`llm.purse.ENOUGH` of them, else `expect`; the interval varies them by `expect.spread`. Expected is
then that the share `expect.built` of the written slots become probes; the upper bound takes all of
them.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping, Sequence

from msgspec import Struct
from msgspec.structs import asdict, replace

from compiler.engine.plan import Graph, Planned, State
from compiler.keys import Json
from compiler.llm.dispatch import Priced
from compiler.llm.prices import CACHE_READ
from compiler.llm.providers import BATCHED, FREE
from compiler.pricing.extrapolation import built, extrapolated, measured_call, times
from compiler.pricing.unit_costs import declared, observed
from compiler.pricing.usage import Basis, Cell
from compiler.probes import sampling
from compiler.project.project import Project
from compiler.project.workload import calls_per_probe
from compiler.spec.model import WrittenScope
from compiler.spec.paid import Role
from compiler.stages import KINDS
from compiler.stages.context import Context

# UTF-8 bytes of a request body per input token, for English text.
BYTES_PER_TOKEN = 4.2
# Assumed share of requests that hit the prompt cache: no provider guarantees one, and reported
# rates lie between 30% and 98%.
_HITS = 0.5


class Estimate(Struct, frozen=True):
    """The estimate of one stage and scope, in US dollars: `usd` expected, `low` and `high` its
    interval, `ceiling` the cost if every reply were as long as max_tokens.

    `basis`: "counted" or "estimated" requests; `tokens`: the source of tokens per call, "declared",
    "bytes", "observed" or "measured". `cached`: requests in the log; `calls`: requests to be sent;
    `in_flight`: requests in open batches, whose cost `in_flight_usd` is in none of the other sums.
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


class Quote(Struct, frozen=True):
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
    basis: Basis | None = None,
) -> Quote:
    """Price the steps that are not up to date; the whole spec when `steps` is None.

    `counted`: the result of `count`; `free`: include roles whose provider is free; `basis`:
    measured usage.
    """
    basis = basis or Basis({})
    found: list[Estimate] = []
    batches: dict[str, tuple[int, int]] = {}
    notices: list[str] = []
    for stage, role in project.kind.asking.items():
        use = getattr(project.declared.models, role)
        if use.provider in FREE and not free:
            continue
        own = [
            _exact(project, stage, scope, priced, notices, basis)
            for scope, priced in sorted((counted or {}).get(stage, {}).items())
            if priced.calls or priced.cached or priced.in_flight
        ]
        own += _estimated(project, stage, _documents(project, stage, steps, counted, basis), basis)
        found += own
        if use.provider in BATCHED and any(e.calls for e in own):
            limits = project.declared.batches
            batches[stage] = (
                math.ceil(sum(e.calls for e in own) / limits.max_requests),
                math.ceil(sum(e.bytes for e in own) / limits.max_bytes),
            )
    for role in project.kind.roles:
        notices += _unmatched(project, role, sum(e.in_flight for e in found if e.role == role))
    if any(e.tokens == "measured" for e in found):
        notices += basis.notices()
    if found and project.declared.expect.use is not None:
        notices.append(
            f"priced with the set {project.declared.expect.use} of expect.sets (expect.use)"
        )
    return Quote(found, batches, list(dict.fromkeys(notices)))


def count(
    context: Context, graph: Graph, steps: Sequence[Planned]
) -> Mapping[str, Mapping[str, Priced]]:
    """Render the requests of every stale step whose inputs exist, and look each up in the log.

    Returns volumes by stage and scope.
    """
    found: dict[str, defaultdict[str, Priced]] = {}
    asking = KINDS[context.declared.kind]().asking
    for planned in steps:
        stage = planned.step.stage
        if planned.state is State.STALE and stage.weigh is not None:
            dispatcher = context.dispatchers[asking[stage.name]]
            # Two stages may send requests of one role: each is counted by itself.
            dispatcher.priced = found.setdefault(stage.name, defaultdict(Priced))
            stage.weigh(planned.step.part, graph.inputs(planned.step))
    return found


def _exact(
    project: Project,
    stage: str,
    scope: str,
    priced: Priced,
    notices: list[str],
    basis: Basis,
) -> Estimate:
    role = project.kind.asking[stage]
    per_call, tokens = measured_call(basis.of(stage), stage, scope), "measured"
    if per_call is None:
        per_call, tokens = observed(project, role), "observed"
    if per_call is None:
        size = priced.bytes / BYTES_PER_TOKEN / max(1, priced.calls)
        read, written = declared(project, role, scope)
        per_call, tokens = (size if priced.calls else float(read), float(written)), "bytes"
    made = _made(project, stage, scope, "counted", tokens, priced.calls, per_call, priced.calls)
    read, written = (round(priced.in_flight * each) for each in per_call)
    made = replace(made, in_flight_usd=project.rate(role).usd(read, written))
    return _cached(project, made, priced, notices)


def _unmatched(project: Project, role: Role, counted: int) -> list[str]:
    """Report requests in open batches beyond those that were counted."""
    more = project.journal.flying(project.declared.name).get(role, 0) - counted
    if more <= 0:
        return []
    return [
        f"{role}: {more:,} request{'s' if more > 1 else ''} in open batches cannot be matched yet: "
        "from a pass that cannot be counted, or from an older spec; they are billed and will be "
        "collected, and the estimate may include them"
    ]


def _estimated(project: Project, stage: str, documents: _Documents, basis: Basis) -> list[Estimate]:
    if not documents.new and not documents.served:
        return []
    each_document = project.kind.calls(project.declared).get(stage)
    per_probe: dict[str, float] = {}
    if each_document is not None:
        scopes = {"": each_document}
    else:
        each_scope = project.spec.ordered_scopes()
        slots_of = {n: s.slots for n, s in each_scope if isinstance(s, WrittenScope) and s.slots}
        per_probe = {n: calls_per_probe(project.spec, n).get(stage, 0.0) for n in slots_of}
        scopes = {name: slots for name, slots in slots_of.items() if per_probe[name]}
    found = []
    for scope, slots in scopes.items():
        each = _like_measured(project, stage, scope, documents, basis)
        if each is not None:
            found.append(each)
            continue
        role = project.kind.asking[stage]
        per_call, tokens = observed(project, role), "observed"
        if per_call is None:
            read, written = declared(project, role, scope)
            per_call, tokens = (float(read), float(written)), "declared"
        calls = high = documents.new * slots
        if scope in per_probe:
            most = documents.new * slots
            calls = round(round(most * built(project.spec, scope, basis)) * per_probe[scope])
            high = math.ceil(most * per_probe[scope])
        found.append(_made(project, stage, scope, "estimated", tokens, calls, per_call, high))
    return found


def _like_measured(
    project: Project, stage: str, scope: str, documents: _Documents, basis: Basis
) -> Estimate | None:
    """Estimate a stage and scope from the measured documents; None if they cannot tell.

    Each document of the rest is taken to be one of the measured ones.
    """
    usage = basis.of(stage)
    factor = times(project.spec, usage, stage, scope) if usage is not None else None
    if usage is None or factor is None:
        return None
    role = project.kind.asking[stage]
    use, rate = getattr(project.declared.models, role), project.rate(role)
    cells = usage.cells(stage, scope)
    share, total = factor * documents.new / len(cells), Cell.total(cells)
    costs = [factor * rate.usd(c.input, c.output, c.written, c.read) for c in cells]
    usd, low, high = extrapolated(costs, documents.new, _spread(project))
    read = share * total.prompt
    calls = round(share * total.calls)
    most = rate.usd(round(read), calls * use.max_tokens)
    served = 0
    if basis.served is not None and stage in basis.stages and documents.served:
        own = basis.served.cells(stage, scope)
        served = round(sum(c.calls for c in own) * documents.served / len(own))
    return Estimate(
        stage, role, use.provider, use.model, scope, "estimated", "measured", served, calls,
        round(read * BYTES_PER_TOKEN), round(read), round(share * total.output),
        usd, low, high, max(high, most),
    )  # fmt: skip


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
    role = project.kind.asking[stage]
    use, rate, spread = getattr(project.declared.models, role), project.rate(role), _spread(project)
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
    role = project.kind.asking[made.stage]
    use, rate = getattr(project.declared.models, role), project.rate(role)
    usd, low, high = made.usd, made.low, made.high
    if use.cache is not None and use.provider not in FREE and made.calls:
        system = priced.system / priced.calls / BYTES_PER_TOKEN
        minimum = project.declared.prices[use.model].cache_minimum
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
    return replace(
        made,
        usd=usd,
        low=max(0.0, low),
        high=high,
        cached=priced.cached,
        bytes=priced.bytes,
        in_flight=priced.in_flight,
    )


def _spread(project: Project) -> float:
    return project.declared.expect.spread


class _Documents(Struct, frozen=True):
    """Documents whose requests cannot be rendered yet.

    `served`: those of a pilot, whose replies are in the log; `new`: the others.
    """

    new: int
    served: int = 0


def _documents(
    project: Project,
    stage: str,
    steps: Sequence[Planned] | None,
    counted: Mapping[str, Mapping[str, Priced]] | None,
    basis: Basis,
) -> _Documents:
    """Count the documents whose requests cannot be rendered yet."""
    rounds = [each.docs for each in project.declared.rounds]
    pilot = basis.served.pilot if basis.served is not None and stage in basis.stages else ()
    if steps is None:
        return _Documents(sum(rounds))
    shards = [sampling.shards(docs, project.declared.shard_docs) for docs in rounds]
    unknown = (State.WAITS,) if counted is not None else (State.WAITS, State.STALE)
    new = served = 0
    for step in steps:
        if step.step.stage.name == stage and step.state in unknown:
            index, shard = step.step.part
            places = shards[index][shard]
            # A pilot has the first documents of each of its rounds.
            done = pilot[index] if index < len(pilot) else 0
            own = max(0, min(done, places.stop) - places.start)
            new, served = new + len(places) - own, served + own
    return _Documents(new, served)
