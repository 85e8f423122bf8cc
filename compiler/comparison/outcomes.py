"""Outcomes of two built datasets: scores on the slots that both scored, losses, and costs.

Probes are paired by document and slot. A slot's scope, side and distance depend on the document
alone, so two builds over the same documents are two attempts at the same slots. Pairs of one
document are not independent, so intervals resample documents (`statistics.measures.clusters`).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from compiler.engine.artifact import Row
from compiler.engine.plan import Graph
from compiler.engine.stage import Part
from compiler.keys import text_digest
from compiler.llm.prices import Rate
from compiler.records import AuditScore, Probe, Reject, ScoreRow, UsageRow
from compiler.statistics.measures.clusters import Clusters, Tally
from compiler.statistics.measures.intervals import Interval
from compiler.statistics.observations import SCORED
from compiler.statistics.reliability import AGAIN, band_changes

BANDS = ("HARD", "middle", "EASY")
_REJECTS = ("sample", "finalize", "expand")
# The stages behind the scores, by role. Baselines and audits are not compared.
_ASKED = {
    "generator": ("generate",),
    "answerer": ("answer", "answer_rest"),
    "judge": ("judge", "judge_rest"),
}
SlotKey = tuple[str, int]


@dataclass(frozen=True, slots=True)
class Scored:
    """A scored probe: its scope, the score of each rollout, and a digest of its question.

    `again`: the maximum of its scores when the same answers were judged a second time; None if they
    were not, or a verdict is missing.
    """

    scope: str
    scores: tuple[float, ...]
    question: str
    again: float | None = None

    def mean(self, rollouts: int) -> float:
        """Return the mean score of the first `rollouts`."""
        return math.fsum(self.scores[:rollouts]) / rollouts

    def max(self, rollouts: int | None = None) -> float:
        """Return the max score of the first `rollouts`; None for all."""
        return max(self.scores[:rollouts])


@dataclass(frozen=True, slots=True)
class Usage:
    """Calls, tokens and US dollars of one role, as recorded with the replies.

    `input_tokens`: including those of the provider's prompt cache.
    """

    role: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float


@dataclass
class Built:
    """The outcome of one side.

    `planned`: slots by scope; `bands`: thresholds (hard, easy); `scored`: probes by (document id,
    slot); `lost`: slots by (scope, reason).
    """

    planned: Mapping[str, int]
    bands: tuple[float, float]
    scored: dict[SlotKey, Scored] = field(default_factory=dict)
    lost: Counter[tuple[str, str]] = field(default_factory=Counter)
    usage: list[Usage] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Shift:
    """The difference of one score, B less A, over the paired probes of a scope ("" for all).

    Both sides use the same number of rollouts (`Outcomes.compared`), because the maximum grows with
    it. `a`, `b`: means of either side; `shift`: mean difference with its 95% interval.
    """

    scope: str
    score: str
    a: float
    b: float
    shift: Interval


@dataclass(frozen=True, slots=True)
class Lost:
    """Numbers of slots of a scope that were lost for one reason, and planned, on either side."""

    scope: str
    reason: str
    a: int
    a_planned: int
    b: int
    b_planned: int


@dataclass(frozen=True)
class Outcomes:
    """The comparison. `flips[i][j]`: pairs in band i of BANDS in A and band j in B.

    `only_a`, `only_b`: slots scored on one side only; `same_question`: pairs with one question.
    `rollouts_a`, `rollouts_b`: the most rollouts of a paired probe; `compared`: the number that all
    of them have, on which `shifts` are computed. `bands_a`, `bands_b`: thresholds of each dataset.
    `noise_a`, `noise_b`: share of the paired probes whose band changes when the same answers are
    judged again; None without repeated judgements.
    """

    paired: int
    documents: int
    same_question: int
    only_a: int
    only_b: int
    bands_a: tuple[float, float]
    bands_b: tuple[float, float]
    rollouts_a: int
    rollouts_b: int
    compared: int
    shifts: tuple[Shift, ...]
    flips: tuple[tuple[int, ...], ...]
    lost: tuple[Lost, ...]
    usage_a: tuple[Usage, ...]
    usage_b: tuple[Usage, ...]
    noise_a: Interval | None
    noise_b: Interval | None

    @property
    def flipped(self) -> int:
        """The number of pairs whose band differs."""
        return sum(map(sum, self.flips)) - sum(self.flips[i][i] for i in range(len(BANDS)))


def gather(
    graph: Graph,
    planned: Mapping[str, int],
    bands: tuple[float, float],
    rates: Mapping[str, Rate],
) -> Built:
    """Read the outcome of a finished build. `rates`: token prices by role."""
    built = Built(planned, bands)
    for stage in _REJECTS:
        for _, row in rows(graph, stage, "rejects", Reject):
            built.lost[row.scope, row.reason] += 1
    scopes = {
        (probe.doc_id, probe.slot): (probe.scope, text_digest(probe.question)[:16])
        for _, probe in rows(graph, "finalize", "probes", Probe)
    }
    again = _again(graph)
    for _, score in rows(graph, "score", "scores", ScoreRow):
        scope, question = scopes[score.doc_id, score.slot]
        if score.status not in SCORED or not score.scores:
            built.lost[scope, score.status] += 1
        else:
            second = again.get((score.doc_id, score.slot), ())
            top = max(second) if len(second) == len(score.scores) else None
            built.scored[score.doc_id, score.slot] = Scored(scope, score.scores, question, top)
    built.usage = _usage(graph, rates)
    return built


def compare(a: Built, b: Built, seed: int) -> Outcomes:
    """Compare two outcomes on the slots that both scored. `seed`: of the resampling."""
    slots = sorted(a.scored.keys() & b.scored.keys())
    pairs = [(a.scored[slot], b.scored[slot]) for slot in slots]
    sizes = [(len(old.scores), len(new.scores)) for old, new in pairs]
    compared = min(map(min, sizes), default=0)
    return Outcomes(
        paired=len(pairs),
        documents=len({doc_id for doc_id, _ in slots}),
        same_question=sum(old.question == new.question for old, new in pairs),
        only_a=len(a.scored) - len(pairs),
        only_b=len(b.scored) - len(pairs),
        bands_a=a.bands,
        bands_b=b.bands,
        rollouts_a=max((old for old, _ in sizes), default=0),
        rollouts_b=max((new for _, new in sizes), default=0),
        compared=compared,
        shifts=_shifts([doc_id for doc_id, _ in slots], pairs, compared, seed),
        flips=_flips(pairs, a.bands, b.bands),
        lost=_lost(a, b),
        usage_a=tuple(a.usage),
        usage_b=tuple(b.usage),
        noise_a=_noise({slot: a.scored[slot] for slot in slots}, a.bands),
        noise_b=_noise({slot: b.scored[slot] for slot in slots}, b.bands),
    )


def _again(graph: Graph) -> dict[SlotKey, tuple[float, ...]]:
    """Return the scores of the first repetition of all verdicts, of probes where none is missing.

    Early stopping ("decided" rows) leaves a probe without repetitions.
    """
    found = {}
    for _, row in rows(graph, "score", "audits", AuditScore):
        scores = tuple(each for each in row.scores if each is not None)
        if row.kind == f"{AGAIN}1" and len(scores) == len(row.scores):
            found[row.doc_id, row.slot] = scores
    return found


def _noise(scored: Mapping[SlotKey, Scored], bands: tuple[float, float]) -> Interval | None:
    """Estimate the share of probes whose band changes when the same answers are judged again."""
    known = [
        (doc_id, each.max(), each.again)
        for (doc_id, _), each in scored.items()
        if each.again is not None
    ]
    if not known:
        return None
    # A maximum changes its band as a single rollout with this score does.
    tops = [[[first, second]] for _, first, second in known]
    return band_changes(tops, [doc_id for doc_id, _, _ in known], bands)


def _shifts(
    documents: Sequence[str], pairs: Sequence[tuple[Scored, Scored]], rollouts: int, seed: int
) -> tuple[Shift, ...]:
    if not pairs:
        return ()
    tally = Tally(Clusters.of(documents))
    scopes = ["", *dict.fromkeys(old.scope for old, _ in pairs)]
    found = []
    for scope in scopes:
        mask = [scope in ("", old.scope) for old, _ in pairs]
        kept = [pair for pair, keep in zip(pairs, mask, strict=True) if keep]
        cell = tally.cell(mask)
        for name, read in (("mean", Scored.mean), ("max", Scored.max)):
            both = [(read(old, rollouts), read(new, rollouts)) for old, new in kept]
            column = tally.column(cell, [y - x for x, y in both])
            before, after = (sum(each) / len(both) for each in zip(*both, strict=True))
            found.append((scope, name, before, after, column))
    sweep = tally.sweep(seed)
    return tuple(
        Shift(scope, name, round(x, 6), round(y, 6), sweep.mean(column))
        for scope, name, x, y, column in found
    )


def _flips(
    pairs: Sequence[tuple[Scored, Scored]], old: tuple[float, float], new: tuple[float, float]
) -> tuple[tuple[int, ...], ...]:
    counts = Counter((_band(a.max(), old), _band(b.max(), new)) for a, b in pairs)
    size = range(len(BANDS))
    return tuple(tuple(counts[i, j] for j in size) for i in size)


def _band(score: float, bands: tuple[float, float]) -> int:
    hard, easy = bands
    return 0 if score < hard else 2 if score >= easy else 1


def _lost(a: Built, b: Built) -> tuple[Lost, ...]:
    order = list(dict.fromkeys([*a.planned, *b.planned]))
    keys = sorted({*a.lost, *b.lost}, key=lambda key: (order.index(key[0]), key[1]))
    return tuple(
        Lost(scope, reason, a.lost[scope, reason], a.planned.get(scope, 0),
             b.lost[scope, reason], b.planned.get(scope, 0))
        for scope, reason in keys
    )  # fmt: skip


def _usage(graph: Graph, rates: Mapping[str, Rate]) -> list[Usage]:
    built = {stage.name for stage in graph.stages}
    found = []
    for role, stages in _ASKED.items():
        used = UsageRow.total(
            row
            for stage in stages
            if stage in built
            for _, row in rows(graph, stage, "usage", UsageRow)
        )
        written, cached = used.cache_write_tokens, used.cache_read_tokens
        usd = rates[role].usd(used.input_tokens, used.output_tokens, written, cached)
        taken = used.input_tokens + written + cached
        found.append(Usage(role, used.calls, taken, used.output_tokens, usd))
    return found


def rows(graph: Graph, stage: str, output: str, row: type[Row]) -> Iterator[tuple[Part, Row]]:
    """Yield the rows of an output of every step of a stage, with the part of the step."""
    for part, manifest in graph.manifests(stage):
        for each in graph.store.rows(manifest.outputs[output], row):
            yield part, each
