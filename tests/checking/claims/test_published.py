"""The published card's figures contradict one another in the ways that are known."""

from __future__ import annotations

import pytest

from compiler.checking.claims.checked import Checked, Contradiction, check
from compiler.checking.claims.reading import read
from tests.checking.claims.cards import FIGURES, PUBLISHED, altered, other_values


def published() -> str:
    if not PUBLISHED.exists():
        pytest.skip("the published card is not beside this checkout")
    return PUBLISHED.read_text(encoding="utf-8")


@pytest.fixture(params=["figures", "published"])
def card(request: pytest.FixtureRequest) -> str:
    return FIGURES if request.param == "figures" else published()


@pytest.fixture
def checked(card: str) -> Checked:
    return check(card)


def of(checked: Checked, rule: str) -> list[Contradiction]:
    return [each for each in checked.contradictions if each.rule == rule]


# Rule, the claim that is out, what it says, what it would have to say, words of the computation.
KNOWN = [
    ("C01", "probes", "590,741", "590,200", "184,959 + 184,805 + 110,882 + 73,932 + 35,622"),
    ("C03", "probes", "590,741", "591,952", "1,211 slots"),
    ("C03", "built of scope=word", "184,959", "184,985", "leaves 26 "),
    ("C03", "built of scope=lens", "184,805", "184,985", "leaves 180 "),
    ("C03", "built of scope=sentence", "110,882", "110,991", "leaves 109 "),
    ("C03", "built of scope=paragraph", "73,932", "73,994", "leaves 62 "),
    ("C03", "built of scope=whole", "35,622", "36,997", "leaves 1,375 "),
    ("C05", "scored", "188,819", "220,436", "31,617 are not scored (14.3%)"),
    ("C05", "scored", "188,819", "220,436", "all of sentence and paragraph and 4,005 of 35,622"),
    ("C06", "scored", "188,819", "188,894", "33,518 + 45,525 + 25,803 + 52,087 + 31,961"),
    ("C07", "bin share of bin=[0.0, 0.2)", "17.7%", "17.7514", "sum of the bins, 188,894"),
    ("C11", "tokens in of role=answerer", "~1227.3M", "replies reported", "= 1,299.9751"),
    ("C13", "chunks of role=judge, unit=requests", "2", "at least 10", "200,000 of 944,095"),
    ("C13", "chunks of role=answerer, unit=mb", "2", "at least 10", "2 x 100K"),
    ("C14", "quirks", "~1.3%", "at least 12.7%", "~1.3% is what stayed unread"),
    ("C15", "typical from", "3", "at most 2", "3 siblings shown"),
    ("C16", "from latent", "HARD-FROM-LATENT", "EASY-FROM-LATENT", "aim"),
    ("C17", "bb full", "(BB)", "one meaning of BB", "blind"),
    ("C18", "meaning of column=tokenizer", "Qwen3-8B", "qwen3.5-9b", "Qwen3-8B against"),
    ("C19", "type of column=slot_idx", "int", "float64", "float64"),
    ("C19", "type of column=abs_index", "int", "float64", "float64"),
    ("C19", "type of column=signed_index", "int", "float64", "float64"),
    ("C19", "type of column=n_tokens_actual", "int/null", "float64", "float64"),
    ("C20", "declared type of column=row_seed", "35 columns", "all", "35 here, 30 there"),
    ("C22", "model picks", "picks a target", "templated", "no LLM"),
    ("C22", "every alternative", "incorrect_plausible_answer", "templated", "no LLM"),
    ("C23", "meaning of column=generator_model", "always", "null on rows", "python_template"),
    ("C24", "row is probe", "ne probe", "one meaning", "slots/row"),
    ("C25", "view chars", "4000", "nearest the split", "names no end"),
    ("C26", "rescoring", "more rollouts", "fixed k", "grows with K"),
    ("C30", "side prefix", "prefix", "generated text begins", "prefix"),
    ("C38", "usd", "~$1003", "generator", "answerer, judge only"),
    ("C39", "tokens in of role=answerer", "~1227.3M", "at most 512,000,000", "256 MB"),
    ("C40", "split groups", "four", "5", "five groups"),
    ("C41", "calibration mean", "~0.50", "0.461", "0.461"),
]


@pytest.mark.parametrize(
    ("rule", "claim", "claimed", "expected", "how"), KNOWN, ids=[f"{k[0]} {k[1]}" for k in KNOWN]
)
def test_a_known_contradiction_is_found_with_its_numbers(
    checked: Checked, rule: str, claim: str, claimed: str, expected: str, how: str
) -> None:
    found = [each for each in of(checked, rule) if each.out.label == claim]

    assert found, f"{rule} says nothing of {claim}"
    assert claimed.casefold() in found[0].claimed.casefold()
    assert expected in found[0].expected
    assert how in found[0].how


def test_nothing_else_is_found(checked: Checked) -> None:
    known = {(rule, claim) for rule, claim, *_ in KNOWN}

    assert {(each.rule, each.out.label) for each in checked.contradictions} == known


def test_undocumented_columns_are_named(checked: Checked) -> None:
    assert [claim.get("column") for claim in of(checked, "C20")[0].suspects] == [
        "row_seed",
        "doc_choice_rationale",
        "split_rationale",
        "signed_index_hint",
        "actual_word_distance_from_split",
    ]


@pytest.mark.parametrize("rule", ["C02", "C04", "C08", "C09", "C10", "C12", "C21", "C27", "C28"])
def test_what_the_published_figures_do_keep_was_tried_and_holds(
    checked: Checked, rule: str
) -> None:
    assert checked.applied[rule] > 0
    assert not of(checked, rule)


def test_rules_that_lack_claims_are_said_not_to_apply(checked: Checked) -> None:
    assert set(checked.not_applied) == {"C31", "C32", "C33", "C34", "C35", "C36"}


# Told once, or bounded so far off that these alterations stay possible: nothing can find them.
FREE = {"view_chars", "rounds", "download_size", "std"}


def test_one_altered_number_is_named() -> None:
    """Whatever number of the equations is altered, something is found that was not before."""
    card = FIGURES
    before = {str(each) for each in check(card).contradictions}
    silent = []
    for claim in read(card):
        if not claim.is_number or claim.name in FREE:
            continue
        texts = [altered(card, claim, value) for value in other_values(claim)]
        news = [
            [each for each in check(text).contradictions if str(each) not in before]
            for text in texts
        ]
        named = any(
            (suspect.line, suspect.column) == (claim.line, claim.column)
            for new in news
            for each in new
            for suspect in each.suspects
        )
        if not named:
            silent.append(f"{claim.label} {claim.written}")

    assert silent == []
