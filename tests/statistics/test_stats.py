"""Statistics compared with tables computed by hand; a ledger that does not add up is an error."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.errors import StoreError
from compiler.probes.scoring import POLICIES, judged
from compiler.probes.scoring.local import contained, exact_match, token_f1, tokens
from compiler.probes.scoring.reduction import decided, reduced
from compiler.records import AnswerRow, AuditScore, ProbeFact, Reject, VerdictRow
from compiler.statistics.artefacts import Pair, findings
from compiler.statistics.ledger import close
from compiler.statistics.measures.agreement import cohen
from compiler.statistics.observations import gather
from compiler.statistics.reliability import excessive
from compiler.statistics.stats import Rules, Stats, compute

RULES = Rules(0.4, 0.8, ["word", "sentence"])


def fact(doc: str, score: float | None, scope: str = "sentence", **more: object) -> ProbeFact:
    values: dict[str, Any] = {
        "round": 0, "doc_id": doc, "slot": 10, "scope": scope, "target": "suffix",
        "typicality": None, "status": "scored" if score is not None else "local",
        "scores": None if score is None else (score,), "seconds": None, "baselines": {},
        "flags": (), "same_split": True, "support": None, "n_others": 0,
        "question": None, "distance": 1, "chars": (9, 9, 9, None),
    }  # fmt: skip
    values.update(more)
    return ProbeFact(**values)


def stats(
    facts: list[ProbeFact], pairs: list[Pair] | None = None, audits: list[AuditScore] | None = None
) -> Stats:
    rows = gather(facts)
    return compute(rows, pairs or [], audits or [], RULES, None)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_means_shares_and_bins_equal_another_computation(scores: list[float]) -> None:
    found = stats([fact(f"d{n}", score) for n, score in enumerate(scores)]).pooled

    assert found.rows == found.scored == len(scores)
    assert found.mean.value == pytest.approx(statistics.fmean(scores), abs=1.5e-6)
    assert found.std == pytest.approx(statistics.stdev(scores), abs=1e-6)
    assert found.hard_count == len([s for s in scores if s < 0.4])
    assert found.easy_count == len([s for s in scores if s >= 0.8])
    assert found.hard.value == pytest.approx(found.hard_count / len(scores), abs=1e-6)
    assert sum(found.histogram) == len(scores)


def test_a_ledger_that_does_not_close_is_an_error() -> None:
    reject = Reject(0, "d", 1, "sentence", "finalize", "slot_missing", "")
    rows = gather([fact("d", 0.5)])
    assert close({"sentence": 2}, [1], [reject], rows)[0].planned == 2
    with pytest.raises(StoreError, match="round 0 does not close: 3 planned, 1 built, 1 rejected"):
        close({"sentence": 3}, [1], [reject], rows)


def test_the_ledger_closes_for_every_round_and_scope_and_not_only_in_total() -> None:
    reject = Reject(1, "e", 1, "sentence", "expand", "no_word", "")

    def rows(second: int) -> list[ProbeFact]:
        return [fact("d", 0.5), fact("e", None, round=second, status="answer_failed")]

    def closed(second: int) -> None:
        found = gather(rows(second))
        first, other = close({"sentence": 1}, [1, 2], [reject], found)
        assert (first.round, first.planned, first.built) == (0, 1, 1)
        assert first.statuses == {"scored": 1}
        assert other.rejected == {"expand": {"no_word": 1}}
        assert (other.planned, other.built, other.statuses) == (2, 1, {"answer_failed": 1})

    closed(1)
    with pytest.raises(StoreError, match="round 0 does not close: 1 planned, 2 built"):
        closed(0)
    with pytest.raises(StoreError, match="round 1 does not close"):
        closed(7)


def test_cells_are_never_pooled_silently() -> None:
    facts = [
        fact("a", 0.1, typicality="typical"),
        fact("b", 0.9, typicality="atypical"),
        fact("c", 0.5, target="prefix"),
        fact("d", None, scope="word"),
        fact("e", 0.3, scope="haiku"),
    ]
    cells = {(c.scope, c.target, c.typicality): c.rows for c in stats(facts).cells}

    assert cells == {
        ("sentence", "prefix", ""): 1,
        ("sentence", "suffix", ""): 2,
        ("sentence", "suffix", "typical"): 1,
        ("sentence", "suffix", "atypical"): 1,
        ("haiku", "suffix", ""): 1,
        ("", "", ""): 4,
    }


def test_statistics_without_scored_probes_have_no_values() -> None:
    found = stats([fact("a", None, scope="word")])
    assert (found.pooled.rows, found.pooled.mean.value, found.pooled.shape) == (0, None, None)
    assert stats([]).probes == 0


def test_the_order_of_rows_does_not_matter() -> None:
    facts = [fact(f"d{n % 40}", (n * 7 % 10) / 10, slot=n, question=f"q{n}") for n in range(200)]
    assert (
        stats(facts) == stats(facts[::-1]) == stats(sorted(facts, key=lambda f: f.slot * 37 % 200))
    )


def test_anchors_and_repeats_are_matched_to_their_rows() -> None:
    facts = [fact(f"d{n}", 0.5, scores=(0.2, 0.6), slot=n) for n in range(40)]
    audits = [AuditScore(f"d{n}", n, "gold", (0.9,)) for n in range(40)]
    audits += [AuditScore(f"d{n}", n, "alternative", (0.1 if n else None,)) for n in range(40)]
    audits += [AuditScore(f"d{n}", n, "again_1", (0.2, 0.9 if n < 10 else 0.6)) for n in range(40)]
    judge = stats(facts, audits=audits).judge

    means = {each.kind: (each.mean.value, each.mean.n, each.failed) for each in judge.anchors}
    assert means == {"gold": (0.9, 40, 0), "alternative": (0.1, 39, 1)}
    assert [(each.scope, each.gap.value, each.gap.n) for each in judge.gaps] == [
        ("sentence", 0.8, 39)
    ]
    assert judge.again is not None
    assert (judge.again.probes, judge.again.rollouts, judge.again.times) == (40, 2, 2)
    assert judge.again.flips.value == 0.25
    assert judge.again.agreement.mean_delta.value == pytest.approx(10 * 0.3 / 80)
    assert judge.heaping.distinct == 2


def test_the_noise_of_the_judge_is_given_by_cell() -> None:
    targets = ("prefix", "suffix")
    facts = [
        fact(f"d{n}", 0.5, scores=(0.2, 0.6), slot=slot, target=target)
        for n in range(40)
        for slot, target in enumerate(targets)
    ]
    # A tenth of the prefix targets leave their band, and half of the suffix targets.
    audits = [
        AuditScore(f"d{n}", slot, "again_1", (0.2, 0.9 if n < changed else 0.6))
        for n in range(40)
        for slot, changed in enumerate((4, 20))
    ]
    noise = {each.place: each.changes for each in stats(facts, audits=audits).judge.noise}

    assert [*noise] == [("sentence", "prefix", ""), ("sentence", "suffix", ""), ("", "", "")]
    assert [each.value for each in noise.values()] == [0.1, 0.5, 0.3]
    assert all(each.low is not None for each in noise.values())
    assert stats(facts).judge.noise == ()


def test_wrong_anchors_with_a_high_mean_score_are_named() -> None:
    facts = [fact(f"d{n}", 0.5, slot=n) for n in range(40)]
    scores = {"foreign": 0.3, "unknown": 0.2, "echo": 0.9, "alternative": 1.0, "gold": 1.0}
    audits = [AuditScore(f"d{n}", n, kind, (s,)) for n in range(40) for kind, s in scores.items()]
    judge = stats(facts, audits=audits).judge

    assert [each.kind for each in excessive(judge, 0.2)] == ["foreign", "echo"]
    assert [each.kind for each in excessive(judge, 0.9)] == []


def test_dataset_level_artifacts_are_counted_per_scope_and_target() -> None:
    same = [fact(f"d{n}", 0.1, question="q", typicality="typical") for n in range(60)]
    other = [fact(f"e{n}", 0.1, question=f"q{n}", target="prefix") for n in range(60)]
    pairs = [
        Pair("sentence", "suffix", f"d{n}", f"{n} oak", f"never {n} oak", (4, 8))
        for n in range(5100)
    ]
    prefix, suffix = stats([*same, *other], pairs).artefacts

    assert (prefix.target, prefix.rows, prefix.repeated) == ("prefix", 60, 0)
    assert (prefix.choice.won.value, prefix.length_ratio) == (None, None)
    assert (suffix.questions, suffix.repeated, suffix.typical) == (60, 60, 60)
    assert (suffix.choice.pairs, suffix.length_ratio) == (5000, 2.0)
    assert suffix.choice.won.value == pytest.approx(1.0)
    breaks = [(check, place) for check, place, _ in findings([prefix, suffix])]
    assert breaks == [("V24", "sentence/suffix"), ("V26", "sentence/suffix")]
    many = [fact(f"d{n}", 0.1, typicality="atypical") for n in range(100)]
    breaks = [f[:2] for f in findings(stats(many).artefacts)]
    assert breaks == [("V27", "sentence/suffix"), ("V27", "sentence")]


@pytest.mark.parametrize(
    ("table", "expected"),
    [
        # Cohen's own example of agreement beyond chance, and the textbook 20/5/10/15 table.
        ((20, 5, 10, 15), 0.4),
        ((45, 15, 25, 15), 0.1304),
        ((10, 0, 0, 10), 1.0),
        ((0, 10, 10, 0), -1.0),
        ((5, 5, 5, 5), 0.0),
    ],
)
def test_kappa_of_known_tables(table: tuple[int, int, int, int], expected: float) -> None:
    assert cohen(*table) == pytest.approx(expected, abs=1e-4)


def test_kappa_of_no_rows_or_one_label_is_undefined() -> None:
    assert cohen(0, 0, 0, 0) is None
    assert cohen(0, 0, 0, 9) is None


def test_typicality_is_compared_only_with_two_other_siblings() -> None:
    facts = [
        fact("a", 0.5, typicality="typical", support=3, n_others=4),
        fact("b", 0.5, typicality="typical", support=1, n_others=4),
        fact("c", 0.5, typicality="atypical", support=2, n_others=2),
        fact("d", 0.5, typicality="atypical", support=0, n_others=4),
        fact("e", 0.5, typicality="typical", support=1, n_others=1),
        fact("f", 0.5),
    ]
    found = stats(facts).typicality

    assert (
        found.both_typical, found.only_label, found.only_mechanical, found.both_atypical
    ) == (1, 1, 1, 1)  # fmt: skip
    assert found.kappa == 0.0


@pytest.mark.parametrize(
    ("verdict", "score"),
    [
        ("0.35", 0.35), ("1", 1.0), ("0", 0.0), ("1.0", 1.0), (" .5\n", 0.5), ("0.5.", 0.5),
        ("1.2", None), ("1.5", None), ("-0.1", None), ("0,5", None), ("0.7/1", None), ("70%", None),
        ("Score: 0.5", None), ("0.5 0.6", None), ("", None), ("nan", None), ("1.01", None),
        ("0.5\nIgnore that, it is 1.0", None), ("1e-1", None), ("٠.٥", None),
    ],
)  # fmt: skip
def test_a_verdict_is_one_number_between_0_and_1_or_none(verdict: str, score: float | None) -> None:
    assert judged.parse(verdict) == score


def test_a_probe_is_scored_when_all_rollouts_are() -> None:
    answers = AnswerRow("d", 1, ("a", "b"), "m", 9)
    some = AnswerRow("d", 1, ("a", None), "m", 9)
    reducers = frozenset({"mean", "max", "min"})

    good = reduced(answers, (0.2, 0.6), (0.4, 0.4), 2, reducers)
    assert (good.status, good.scores, good.max, good.min) == ("scored", (0.2, 0.6), 0.6, 0.2)
    assert good.seconds == (0.4, 0.4)
    assert good.mean == pytest.approx(0.4)
    assert reduced(answers, (0.2, None), None, 2, reducers).status == "judge_failed"
    assert reduced(answers, (0.2, 0.3), (None, 0.3), 2, reducers).status == "judge_failed"
    assert reduced(some, (None, None), None, 2, reducers).status == "answer_failed"
    only_max = reduced(answers, (0.2, 0.6), None, 2, frozenset({"max"}))
    assert (only_max.mean, only_max.max, only_max.min) == (None, 0.6, None)
    stopped = reduced(answers, (0.2, 0.9), None, 5, reducers)
    assert (stopped.status, stopped.scores, stopped.max) == ("decided", (0.2, 0.9), None)


def test_a_probe_is_decided_only_by_numeric_verdicts() -> None:
    def verdicts(*words: str | None) -> VerdictRow:
        return VerdictRow("d", 1, words, None, "m")

    assert decided(verdicts("0.2", "0.8"), POLICIES["judged"], 0.8) is True
    assert decided(verdicts("0.2", "0.79"), POLICIES["judged"], 0.8) is False
    assert decided(verdicts("0.9", "1.2"), POLICIES["judged"], 0.8) is None
    assert decided(verdicts("0.9", None), POLICIES["judged"], 0.8) is None


@pytest.mark.parametrize(
    ("answer", "truth", "exact", "f1"),
    [
        ("The red barn.", "the RED barn", 1.0, 1.0),
        ("red barn", "the red barn", 0.0, 0.8),
        ("a b a", "a a c", 0.0, 2 / 3),
        ("", "x", 0.0, 0.0),
        ("ﬁne", "fine", 1.0, 1.0),
        ("...", "the", 0.0, 0.0),
        ("", "...", 0.0, 0.0),
        ("!", "...", 0.0, 0.0),
    ],
)
def test_local_policies_compare_words(answer: str, truth: str, exact: float, f1: float) -> None:
    assert exact_match(answer, truth) == exact
    assert token_f1(answer, truth) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "truth", "expected"),
    [
        ("The answer is Carrier.", "carrier", 1.0),
        ("carriers", "carrier", 0.0),
        ("red, barn", "red barn", 1.0),
        ("barn red", "red barn", 0.0),
        ("anything", "...", 0.0),
        ("", "", 0.0),
        (f"{'x ' * 19} word", "word", 1.0),
        (f"{'x ' * 20} word", "word", 0.0),
    ],
)
def test_an_answer_contains_the_truth_as_whole_words_near_its_start(
    answer: str, truth: str, expected: float
) -> None:
    assert contained(tokens(answer), tokens(truth)) == expected
