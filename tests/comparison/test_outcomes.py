"""Pairs of scored probes: counts checked by hand, and intervals with their stated coverage."""

from __future__ import annotations

from collections import Counter

import pytest

from compiler.comparison.changes import noise
from compiler.comparison.outcomes import Built, Scored, compare
from compiler.comparison.verdict import verdict

BANDS = (0.4, 0.8)


def built(scores: dict[tuple[str, int], float], **more: str) -> Built:
    """Return a side whose probes have these maxima and half of each as mean."""
    scored = {
        slot: Scored("whole" if slot[1] == 9 else "sentence", (0.0, value),
                     more.get("question", slot[0]))
        for slot, value in scores.items()
    }  # fmt: skip
    return Built({"sentence": 10, "whole": 5}, BANDS, scored)


def test_only_slots_scored_on_both_sides_are_paired() -> None:
    a = built({("a", 0): 0.1, ("a", 1): 0.5, ("b", 0): 0.9, ("c", 9): 0.2})
    b = built({("a", 0): 0.5, ("a", 1): 0.5, ("b", 0): 0.3, ("d", 9): 0.2})
    found = compare(a, b, 1)

    assert (found.paired, found.documents, found.only_a, found.only_b) == (3, 2, 1, 1)
    assert found.same_question == 3
    assert found.flips == ((0, 1, 0), (0, 1, 0), (1, 0, 0))
    assert found.flipped == 2
    shift = {(s.scope, s.score): s for s in found.shifts}
    assert set(shift) == {("", "mean"), ("", "max"), ("sentence", "mean"), ("sentence", "max")}
    whole = shift["", "max"]
    assert whole.a == 0.5
    assert whole.b == pytest.approx(1.3 / 3, abs=1e-6)
    assert whole.shift.value == pytest.approx(-0.2 / 3, abs=1e-6)
    assert (whole.shift.low, whole.shift.n) == (None, 3)


def test_each_side_has_its_own_bands_closed_below() -> None:
    a, b = built({("a", 0): 0.4, ("b", 0): 0.8}), built({("a", 0): 0.4, ("b", 0): 0.8})
    b.bands = (0.5, 0.9)

    assert compare(a, b, 1).flips == ((0, 0, 0), (1, 0, 0), (0, 1, 0))


def test_a_shift_of_whole_documents_has_a_wider_interval_than_a_shift_of_rows() -> None:
    """Count four probes that move together as one observation."""
    zero = built({(f"d{n}", slot): 0.5 for n in range(40) for slot in range(4)})
    together = built(
        {(f"d{n}", slot): 0.6 if n % 2 else 0.4 for n in range(40) for slot in range(4)}
    )
    apart = built(
        {(f"d{n}", slot): 0.6 if slot % 2 else 0.4 for n in range(40) for slot in range(4)}
    )
    one = next(s for s in compare(zero, together, 1).shifts if s.score == "max").shift
    other = next(s for s in compare(zero, apart, 1).shifts if s.score == "max").shift

    assert one.value == other.value == 0.0
    assert (other.low, other.high) == (0.0, 0.0)
    assert one.low is not None
    assert one.high is not None
    assert one.low < -0.02
    assert one.high > 0.02


def test_lost_slots_are_listed_for_each_side() -> None:
    a, b = built({}), built({})
    a.lost, b.lost = Counter({("sentence", "slot_missing"): 3}), Counter({("whole", "x"): 1})
    found = compare(a, b, 1)

    assert [(e.scope, e.reason, e.a, e.a_planned, e.b, e.b_planned) for e in found.lost] == [
        ("sentence", "slot_missing", 3, 10, 0, 10), ("whole", "x", 0, 5, 1, 5),
    ]  # fmt: skip
    assert (found.paired, found.shifts, found.flipped) == (0, (), 0)


def test_the_noise_of_each_judge_is_that_of_the_paired_probes_judged_again() -> None:
    a = built({("a", 0): 0.1, ("b", 0): 0.5, ("c", 0): 0.9, ("d", 0): 0.2})
    b = built({("a", 0): 0.1, ("b", 0): 0.5, ("c", 0): 0.9})
    for slot, again in ((("a", 0), 0.4), (("b", 0), 0.7), (("d", 0), 0.9)):
        old = a.scored[slot]
        a.scored[slot] = Scored(old.scope, old.scores, old.question, again)
    found = compare(a, b, 1)

    # One of two: the third was not judged again, and the fourth is not paired.
    assert found.noise_a is not None
    assert (found.noise_a.value, found.noise_a.n, found.noise_a.documents) == (0.5, 2, 2)
    assert found.noise_b is None
    assert noise(found) == (
        "band changes when judged again: A 50.0%, B unknown of the paired probes"
    )
    assert "no answers were judged twice" in noise(compare(b, b, 1))


def test_scores_are_compared_at_equal_numbers_of_rollouts() -> None:
    a, b = built({("a", 0): 0.2, ("b", 0): 0.6}), built({("a", 0): 0.2, ("b", 0): 0.6})
    b.scored["a", 0] = Scored("sentence", (0.5, 0.1, 0.9), "q")
    found = compare(a, b, 1)

    assert (found.rollouts_a, found.rollouts_b, found.compared) == (2, 3, 2)
    mean, highest = (s for s in found.shifts if s.scope == "")
    assert (mean.score, mean.a, mean.b) == ("mean", 0.2, 0.3)
    assert (highest.score, highest.a, highest.b) == ("max", 0.4, 0.55)
    # A dataset's own statistics use all rollouts of a probe.
    assert found.flips == ((0, 0, 1), (0, 1, 0), (0, 0, 0))


@pytest.mark.parametrize(
    ("shift", "documents", "expected"),
    [
        (0.0, 40, "no change: 40 probes have the same mean and maximum scores"),
        (0.2, 40, "B is easier to answer from text: max score +0.200 (95% interval +0.200 .. "),
        (-0.2, 40, "B is harder to answer from text: max score -0.200 (95% interval -0.200 .. "),
        (0.2, 5, "no verdict: 5 documents are too few for an interval; max score +0.200, 5 of 5 "),
    ],
)
def test_the_verdict_follows_the_interval(shift: float, documents: int, expected: str) -> None:
    a = built({(f"d{n}", 0): 0.3 for n in range(documents)})
    b = built({(f"d{n}", 0): 0.3 + shift for n in range(documents)})

    assert verdict(compare(a, b, 1)).startswith(expected)


def test_an_interval_around_zero_is_no_clear_change() -> None:
    a = built({(f"d{n}", 0): 0.38 for n in range(40)})
    b = built({(f"d{n}", 0): 0.38 + (0.05 if n % 2 else -0.05) for n in range(40)})
    found = verdict(compare(a, b, 1))

    assert found.startswith("no clear change: max score 0.000 (95% interval -0.0")
    assert found.endswith(", 20 of 40 probes changed band, HARD 100.0% -> 50.0%")
    assert verdict(compare(built({}), b, 1)).startswith("no comparison of scores")
