"""Numbers against hand-computed tables; the ledger closes or the build fails."""

from __future__ import annotations

import statistics
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.dataset.artefacts import findings
from compiler.dataset.stats import Evidence, compute, histogram, kappa
from compiler.errors import StoreError
from compiler.probes.artefacts import choice_auc
from compiler.probes.scoring import judged
from compiler.records import AnswerRow, Pair, ProbeFact, Reject, VerdictRow


def fact(doc: str, score: float | None, scope: str = "sentence", **more: object) -> ProbeFact:
    values: dict[str, object] = {
        "round": 0, "doc_id": doc, "scope": scope, "target": "suffix", "typicality": None,
        "status": "scored" if score is not None else "local", "max": score, "mean": score,
        "flags": (), "pool_level": None, "same_split": True, "support": None, "n_others": 0,
        "question": None,
    }  # fmt: skip
    return ProbeFact(**{**values, **more})  # type: ignore[arg-type]


def evidence(facts: list[ProbeFact], rejects: list[Reject], planned: int) -> Evidence:
    return Evidence({"sentence": planned}, [1], facts, [], rejects, [], {}, [], 0.4, 0.8)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=60))
def test_means_shares_and_bins_against_another_computation(scores: list[float]) -> None:
    facts = [fact(f"d{n}", score) for n, score in enumerate(scores)]
    found = compute(evidence(facts, [], len(facts))).pooled

    assert found.scored == len(scores)
    assert found.mean == pytest.approx(statistics.fmean(scores))
    assert found.std == pytest.approx(statistics.stdev(scores), abs=1e-9)
    assert found.hard == len([s for s in scores if s < 0.4])
    assert found.easy == len([s for s in scores if s >= 0.8])
    assert sum(found.histogram) == len(scores)
    assert sum(found.histogram[:2]) == found.hard
    assert found.histogram[4] == found.easy


def test_bins_are_closed_below_and_the_last_above() -> None:
    assert histogram([0, 0.2, 0.4, 0.6, 0.8, 1.0, 0.1999999]) == (2, 1, 1, 1, 2)


def test_a_ledger_that_does_not_close_is_an_error() -> None:
    reject = Reject(0, "d", 1, "sentence", "finalize", "slot_missing", "")
    assert compute(evidence([fact("d", 0.5)], [reject], 2)).planned == 2
    with pytest.raises(StoreError, match="round 0 does not close: 3 planned, 1 built, 1 rejected"):
        compute(evidence([fact("d", 0.5)], [reject], 3))


def test_the_ledger_closes_for_every_round_and_scope_and_not_only_in_sum() -> None:
    def rounds(second: int) -> Evidence:
        facts = [fact("d", 0.5), fact("e", None, round=second, status="answer_failed")]
        reject = Reject(1, "e", 1, "sentence", "expand", "no_word", "")
        return Evidence({"sentence": 1}, [1, 2], facts, [], [reject], [], {}, [], 0.4, 0.8)

    first, second = compute(rounds(1)).ledger
    assert (first.round, first.planned, first.built, first.statuses) == (0, 1, 1, {"scored": 1})
    assert second.rejected == {"expand": {"no_word": 1}}
    assert (second.planned, second.built, second.statuses) == (2, 1, {"answer_failed": 1})
    with pytest.raises(StoreError, match="round 0 does not close: 1 planned, 2 built"):
        compute(rounds(0))
    with pytest.raises(StoreError, match="round 1 does not close"):
        compute(rounds(7))


def test_what_only_all_rows_show_is_counted_per_scope_and_target() -> None:
    same = [fact(f"d{n}", 0.1, question="q", typicality="typical") for n in range(60)]
    other = [fact(f"e{n}", 0.1, question=f"q{n}", target="prefix") for n in range(60)]
    pairs = [Pair("sentence", "suffix", f"d{n}", f"{n} oak", f"never {n} oak") for n in range(2100)]
    found = evidence([*same, *other], [], 120)
    prefix, suffix = compute(replace(found, pairs=pairs)).artefacts

    assert (prefix.target, prefix.rows, prefix.repeated, prefix.choice_auc) == (
        "prefix",
        60,
        0,
        None,
    )
    assert (suffix.questions, suffix.repeated, suffix.typical, suffix.pairs) == (60, 60, 60, 2000)
    assert suffix.choice_auc == pytest.approx(1.0)
    breaks = [(check, place) for check, place, _ in findings([prefix, suffix])]
    assert breaks == [("V24", "sentence/suffix"), ("V26", "sentence/suffix")]
    many = [fact(f"d{n}", 0.1, typicality="atypical") for n in range(100)]
    breaks = [f[:2] for f in findings(compute(evidence(many, [], 100)).artefacts)]
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
    assert kappa(*table) == pytest.approx(expected, abs=1e-4)


def test_kappa_of_nothing_to_agree_on() -> None:
    assert kappa(0, 0, 0, 0) is None
    assert kappa(0, 0, 0, 9) is None


def test_typicality_counts_only_where_there_are_two_others() -> None:
    facts = [
        fact("a", 0.5, typicality="typical", support=3, n_others=4),
        fact("b", 0.5, typicality="typical", support=1, n_others=4),
        fact("c", 0.5, typicality="atypical", support=2, n_others=2),
        fact("d", 0.5, typicality="atypical", support=0, n_others=4),
        fact("e", 0.5, typicality="typical", support=1, n_others=1),
        fact("f", 0.5),
    ]
    found = compute(evidence(facts, [], 6)).typicality

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
def test_a_verdict_is_one_number_between_0_and_1_or_nothing(
    verdict: str, score: float | None
) -> None:
    assert judged.parse(verdict) == score


def test_a_probe_is_scored_when_all_rollouts_are() -> None:
    answers = AnswerRow("d", 1, ("a", "b"), ("ok", "ok"), "m", 9, 1, 1)
    some = AnswerRow("d", 1, ("a", None), ("ok", "refused"), "m", 9, 1, 1)
    reducers = frozenset({"mean", "max", "min"})

    def verdicts(*words: str | None) -> VerdictRow:
        return VerdictRow("d", 1, words, ("ok",) * len(words), "m", 1, 1)

    good = judged.score(answers, verdicts("0.2", "0.6"), reducers)
    assert (good.status, good.scores, good.max, good.min) == ("scored", (0.2, 0.6), 0.6, 0.2)
    assert good.mean == pytest.approx(0.4)
    assert judged.score(answers, verdicts("0.2", "2"), reducers).status == "judge_failed"
    assert judged.score(answers, verdicts("0.2", None), reducers).status == "judge_failed"
    assert judged.score(some, verdicts(None, None), reducers).status == "answer_failed"
    only_max = judged.score(answers, verdicts("0.2", "0.6"), frozenset({"max"}))
    assert (only_max.mean, only_max.max, only_max.min) == (None, 0.6, None)


def test_choice_auc_finds_an_artefact_and_no_other() -> None:
    nouns = ["harbour", "council", "granite", "pillar", "wagon", "river", "quarrel", "summer"]
    alike, marked = [], []
    for n in range(200):
        one, other = nouns[n % 8], nouns[(n * 3 + 1) % 8]
        truth, false = f"The {one} met the {other}.", f"The {other} met the {one}."
        alike.append((f"d{n // 2}", truth, false))
        marked.append((f"d{n // 2}", truth, false.replace("The", "Perhaps the")))

    fair, unfair = choice_auc(alike), choice_auc(marked)
    assert fair is not None
    assert unfair is not None
    assert abs(fair - 0.5) < 0.15
    assert unfair > 0.95
    assert choice_auc(alike[:20]) is None
