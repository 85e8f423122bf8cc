"""The probes whose band differs between two builds, with question, answers and scores of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.comparison.outcomes import Built, SlotKey, rows
from compiler.dataset.columns import band_of, identity
from compiler.engine.plan import Graph
from compiler.records import AnswerRow, Probe


@dataclass(frozen=True, slots=True)
class Attempt:
    """One side of a probe: its band, texts, and (answer, score) of each rollout."""

    band: str
    question: str
    response: str
    answers: tuple[tuple[str, float], ...]

    @property
    def max(self) -> float:
        """The highest score."""
        return max(score for _, score in self.answers)


@dataclass(frozen=True, slots=True)
class Moved:
    """A probe in another band. `probe_id_a`, `probe_id_b`: its id in either dataset."""

    doc_id: str
    slot: int
    scope: str
    target: str
    probe_id_a: str
    probe_id_b: str
    a: Attempt
    b: Attempt


def find(a: tuple[Built, Graph], b: tuple[Built, Graph], count: int) -> tuple[Moved, ...]:
    """Find at most `count` probes in another band, those with the largest difference first."""
    old, new = a[0], b[0]
    found = [
        slot
        for slot in old.scored.keys() & new.scored.keys()
        if band_of(old.scored[slot].max(), *old.bands)
        != band_of(new.scored[slot].max(), *new.bands)
    ]
    found.sort(key=lambda slot: (-abs(new.scored[slot].max() - old.scored[slot].max()), slot))
    chosen = found[:count]
    before, after = _attempts(*a, chosen), _attempts(*b, chosen)
    return tuple(
        Moved(
            *(doc_id, slot, before[doc_id, slot][1].scope, before[doc_id, slot][1].target),
            *(before[doc_id, slot][0], after[doc_id, slot][0]),
            *(before[doc_id, slot][2], after[doc_id, slot][2]),
        )
        for doc_id, slot in chosen
    )


def _attempts(
    built: Built, graph: Graph, slots: Sequence[SlotKey]
) -> Mapping[SlotKey, tuple[str, Probe, Attempt]]:
    """Return probe id, probe and attempt of each of the slots."""
    wanted = set(slots)
    if not wanted:
        return {}
    probes = {
        (probe.doc_id, probe.slot): (identity(part[0], probe.doc_id, probe.slot), probe)
        for part, probe in rows(graph, "finalize", "probes", Probe)
        if (probe.doc_id, probe.slot) in wanted
    }
    last = "answer_rest" if "answer_rest" in {stage.name for stage in graph.stages} else "answer"
    found = {}
    for _, row in rows(graph, last, "answers", AnswerRow):
        key = row.doc_id, row.slot
        if key in wanted:
            scores = built.scored[key].scores
            answers = [answer for answer in row.answers if answer is not None]
            pairs = tuple(zip(answers, scores, strict=False))
            name, probe = probes[key]
            band = band_of(max(scores), *built.bands)
            found[key] = name, probe, Attempt(band, probe.question, probe.response, pairs)
    return found
