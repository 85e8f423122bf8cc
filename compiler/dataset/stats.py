"""Every number that is reported, computed once from the rows and the ledger.

The ledger must close: for each scope and round, what was planned is what stages rejected plus what
was built, and what was built is scored, local or failed. If it does not, that is a defect of the
compiler and the build fails instead of printing numbers that contradict one another.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from compiler.dataset.artefacts import Artefacts, ArtefactStats
from compiler.errors import StoreError
from compiler.records import Pair, ProbeFact, Reject, Skip

EDGES = (0.0, 0.2, 0.4, 0.6, 0.8, 1.0)


@dataclass(frozen=True, slots=True)
class LedgerStats:
    """One scope in one round: planned = sum of `rejected` over stages and reasons + built.

    `statuses`: what became of the built ones; they add up to `built`.
    """

    round: int
    scope: str
    planned: int
    rejected: dict[str, dict[str, int]]
    built: int
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class ScopeStats:
    """One scope: planned = built + sum(rejected). `targets`: built per side."""

    scope: str
    planned: int
    built: int
    rejected: dict[str, int]
    targets: dict[str, int]
    typicality: dict[str, int]
    statuses: dict[str, int]


@dataclass(frozen=True, slots=True)
class ScoreStats:
    """Maximum blind scores of one cell, over its scored probes.

    `histogram`: counts in [0, .2), [.2, .4), [.4, .6), [.6, .8), [.8, 1]. `hard`, `easy`: counts
    below and at or above the bands. `std` is the sample standard deviation (n - 1).
    """

    scope: str
    target: str
    scored: int
    mean: float | None
    std: float | None
    histogram: tuple[int, ...]
    hard: int
    easy: int


@dataclass(frozen=True, slots=True)
class TypicalityStats:
    """The generator's typicality labels beside the mechanical ones.

    Mechanical: typical when at least min(3, n) of the n other usable siblings hold the atom's
    content (`sibling_support`). Counts are (label, mechanical); `kappa` is Cohen's (1960), None
    when either side uses one label only.
    """

    both_typical: int
    only_label: int
    only_mechanical: int
    both_atypical: int
    kappa: float | None


@dataclass(frozen=True, slots=True)
class UsageStats:
    """Tokens and dollars of one role, as recorded with the replies."""

    role: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float


@dataclass(frozen=True, slots=True)
class Stats:
    """Everything that the card and the tables say."""

    probes: int
    planned: int
    documents_drawn: int
    documents_built: int
    rounds: tuple[int, ...]
    scopes: tuple[ScopeStats, ...]
    ledger: tuple[LedgerStats, ...]
    artefacts: tuple[ArtefactStats, ...]
    scores: tuple[ScoreStats, ...]
    pooled: ScoreStats
    skips: dict[str, int]
    flags: dict[str, int]
    rungs: dict[str, int]
    typicality: TypicalityStats
    same_split_share: float | None
    usage: tuple[UsageStats, ...]
    hard_below: float
    easy_from: float


@dataclass(frozen=True)
class Evidence:
    """What statistics are computed from."""

    slots: Mapping[str, int]
    rounds: Sequence[int]
    facts: Sequence[ProbeFact]
    pairs: Iterable[Pair]
    rejects: Sequence[Reject]
    skips: Sequence[Skip]
    rungs: Mapping[str, int]
    usage: Sequence[UsageStats]
    hard_below: float
    easy_from: float


def compute(evidence: Evidence) -> Stats:
    """The statistics of a dataset.

    Raises:
        StoreError: the ledger does not close.
    """
    documents = sum(evidence.rounds)
    scopes = tuple(
        _scope(name, slots * documents, evidence) for name, slots in evidence.slots.items()
    )
    ledger = _ledger(evidence)
    cells = [
        _scores(name, target, evidence)
        for name in evidence.slots
        for target in ("prefix", "suffix")
        if any(f.scope == name and f.status != "local" for f in evidence.facts)
    ]
    built = {(fact.round, fact.doc_id): fact.same_split for fact in evidence.facts}
    return Stats(
        probes=len(evidence.facts),
        planned=sum(scope.planned for scope in scopes),
        documents_drawn=documents,
        documents_built=len(built),
        rounds=tuple(evidence.rounds),
        scopes=scopes,
        ledger=ledger,
        artefacts=_artefacts(evidence),
        scores=tuple(cells),
        pooled=_scores("", "", evidence),
        skips=_counted(skip.reason for skip in evidence.skips),
        flags=_counted(flag for fact in evidence.facts for flag in fact.flags),
        rungs=dict(sorted(evidence.rungs.items())),
        typicality=_typicality(evidence.facts),
        same_split_share=sum(built.values()) / len(built) if built else None,
        usage=tuple(evidence.usage),
        hard_below=evidence.hard_below,
        easy_from=evidence.easy_from,
    )


def _scope(name: str, planned: int, evidence: Evidence) -> ScopeStats:
    facts = [fact for fact in evidence.facts if fact.scope == name]
    rejected = _counted(reject.reason for reject in evidence.rejects if reject.scope == name)
    return ScopeStats(
        name,
        planned,
        len(facts),
        rejected,
        _counted(fact.target for fact in facts),
        _counted(fact.typicality for fact in facts if fact.typicality is not None),
        _counted(fact.status for fact in facts),
    )


def _ledger(evidence: Evidence) -> tuple[LedgerStats, ...]:
    """One entry per round and scope, each of which must close."""
    statuses: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    for fact in evidence.facts:
        statuses[fact.round, fact.scope][fact.status] += 1
    rejected: dict[tuple[int, str], dict[str, Counter[str]]] = defaultdict(dict)
    for reject in evidence.rejects:
        stages = rejected[reject.round, reject.scope]
        stages.setdefault(reject.stage, Counter())[reject.reason] += 1
    entries = []
    for index, documents in enumerate(evidence.rounds):
        for scope, slots in evidence.slots.items():
            stages, found = (
                rejected.pop((index, scope), {}),
                statuses.pop((index, scope), Counter()),
            )
            planned, lost = slots * documents, sum(each.total() for each in stages.values())
            if planned != lost + found.total():
                raise _open(
                    index, scope, f"{planned} planned, {found.total()} built, {lost} rejected"
                )
            by_stage = {stage: dict(sorted(each.items())) for stage, each in sorted(stages.items())}
            status = dict(sorted(found.items()))
            entries.append(LedgerStats(index, scope, planned, by_stage, found.total(), status))
    for index, scope in [*rejected, *statuses]:
        raise _open(index, scope, "rows of a round or scope that was not planned")
    return tuple(entries)


def _open(index: int, scope: str, detail: str) -> StoreError:
    return StoreError(
        f"the ledger of scope {scope} in round {index} does not close: {detail}",
        hint="this is a defect of probec: please report it with the spec",
    )


def _artefacts(evidence: Evidence) -> tuple[ArtefactStats, ...]:
    gathered = Artefacts()
    for fact in evidence.facts:
        gathered.row(fact.scope, fact.target, fact.question, fact.typicality)
    for pair in evidence.pairs:
        gathered.pair(pair)
    return gathered.cells(list(evidence.slots))


def _scores(scope: str, target: str, evidence: Evidence) -> ScoreStats:
    values = [
        fact.max
        for fact in evidence.facts
        if fact.max is not None and scope in ("", fact.scope) and target in ("", fact.target)
    ]
    count = len(values)
    mean = math.fsum(values) / count if count else None
    std = None
    if mean is not None and count > 1:
        std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (count - 1))
    return ScoreStats(
        scope,
        target,
        count,
        mean,
        std,
        histogram(values),
        sum(value < evidence.hard_below for value in values),
        sum(value >= evidence.easy_from for value in values),
    )


def _typicality(facts: Sequence[ProbeFact]) -> TypicalityStats:
    cells = Counter(
        (fact.typicality == "typical", fact.support >= min(3, fact.n_others))
        for fact in facts
        if fact.typicality is not None and fact.support is not None and fact.n_others >= 2
    )
    a, b = cells[True, True], cells[True, False]
    c, d = cells[False, True], cells[False, False]
    return TypicalityStats(a, b, c, d, kappa(a, b, c, d))


def kappa(a: int, b: int, c: int, d: int) -> float | None:
    """Cohen's kappa of a 2 x 2 table: (observed - expected) / (1 - expected) agreement.

    `a` both say yes, `b` only the first, `c` only the second, `d` neither. None when chance
    agreement is 1, so that there is nothing to agree on.
    """
    n = a + b + c + d
    if not n:
        return None
    expected = ((a + b) * (a + c) + (c + d) * (b + d)) / n**2
    return None if expected == 1 else ((a + d) / n - expected) / (1 - expected)


def histogram(values: Iterable[float]) -> tuple[int, ...]:
    """Counts in five bins of width 0.2 over [0, 1]; only the last is closed above."""
    counts = [0] * (len(EDGES) - 1)
    for value in values:
        place = next((i for i, edge in enumerate(EDGES[1:-1]) if value < edge), len(counts) - 1)
        counts[place] += 1
    return tuple(counts)


def _counted(items: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(items).items()))
