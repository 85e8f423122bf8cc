"""Whole cards: known contradictions, cards without any, and the number most likely to be wrong."""

from __future__ import annotations

import pytest

from compiler.checking.claims.checked import RULES, check, data, read
from compiler.checking.claims.claim import Claim
from compiler.keys import canonical
from tests.conftest import ROOT

CARDS = ROOT / "tests/data/cards"
CONSISTENT = (CARDS / "consistent.md").read_text(encoding="utf-8")
FIGURES = (CARDS / "published_figures.md").read_text(encoding="utf-8")

# Rule, claim, its number, the expected number, part of the computation.
KNOWN = [
    ("C01", "probes", "590,741", "590,200", "184,959 + 184,805 + 110,882 + 73,932 + 35,622"),
    ("C03", "probes", "590,741", "591,952", "leaves 1,211 slots"),
    ("C03", "built of scope=word", "184,959", "184,985", "leaves 26 "),
    ("C03", "built of scope=lens", "184,805", "184,985", "leaves 180 "),
    ("C03", "built of scope=sentence", "110,882", "110,991", "leaves 109 "),
    ("C03", "built of scope=paragraph", "73,932", "73,994", "leaves 62 "),
    ("C03", "built of scope=whole", "35,622", "36,997", "leaves 1,375 "),
    ("C05", "scored", "188,819", "220,436", "31,617 are not scored (14.3%)"),
    ("C06", "scored", "188,819", "188,894", "33,518 + 45,525 + 25,803 + 52,087 + 31,961"),
    ("C07", "bin share of bin=[0.0, 0.2)", "17.7%", "17.7514", "sum of the bins, 188,894"),
    ("C13", "chunks of role=judge, unit=requests", "2", "at least 10", "200,000 of 944,095"),
    ("C13", "chunks of role=answerer, unit=mb", "2", "at least 10", "2 x 100K"),
    ("C15", "typical from", "3", "at most 2", "3 siblings shown"),
]


def test_the_known_contradictions_and_no_others_are_found() -> None:
    checked = check(FIGURES)
    found = {
        (each.name, each.trial.out.label): (each.trial.out.written, each.trial)
        for each in checked.contradictions
    }

    assert found.keys() == {(rule, claim) for rule, claim, *_ in KNOWN}
    for rule, claim, written, expected, how in KNOWN:
        assert found[rule, claim][0] == written
        assert expected in found[rule, claim][1].expected
        assert how in found[rule, claim][1].how
    assert checked.applied.keys() == RULES.keys()


@pytest.mark.parametrize("card", ["tests/golden/card.md", "tests/data/cards/consistent.md"])
def test_a_consistent_card_has_no_contradiction(card: str) -> None:
    checked = check((ROOT / card).read_text(encoding="utf-8"))

    assert [str(each) for each in checked.contradictions] == []
    assert checked.suspects == ()
    assert {"C01", "C04", "C06", "C07", "C08", "C09", "C28", "C32"} <= checked.applied.keys()


# A wrong value can be valid for a claim that is only bounded or covers a part of the probes.
BOUNDED = {
    *("chunks", "chunk_limit", "batch_cap", "typical_from", "siblings_shown", "documents"),
    *("mean", "std"),
}
EQUATED = [
    claim
    for claim in read(CONSISTENT).found
    if claim.name not in BOUNDED and not (claim.of and claim.name in ("hard", "easy"))
]


def altered(claim: Claim) -> str:
    """Set one number of the consistent card wrong, beyond its rounding, in the claim's style."""
    step = max(claim.value // 5, 50 * claim.slack) if claim.slack else claim.value // 5 + 1
    if claim.name.startswith("tokens"):
        step = claim.value  # cents do not show a small change in tokens
    written = f"{claim.value + step:f}" + ("%" if claim.written.endswith("%") else "")
    lines = CONSISTENT.split("\n")
    line, at = lines[claim.line - 1], claim.column - 1
    assert line[at : at + len(claim.written)] == claim.written, "a claim has its place"
    sign = "$" if "$" in claim.written else ""
    lines[claim.line - 1] = line[:at] + sign + written + line[at + len(claim.written) :]
    return "\n".join(lines)


def test_any_wrong_number_is_an_error_that_names_the_number() -> None:
    first = 0
    for claim in EQUATED:
        checked = check(altered(claim))
        suspects = [(each.claim.line, each.claim.column) for each in checked.suspects]

        assert checked.errors, f"{claim} can be altered"
        assert (claim.line, claim.column) in suspects, str(claim)
        first += suspects[0] == (claim.line, claim.column)
    assert len(EQUATED) > 90
    assert first > 0.6 * len(EQUATED)


def test_the_json_result_has_the_places_of_the_claims() -> None:
    claim = read(CONSISTENT).one("probes")
    assert claim is not None
    result = data(check(CONSISTENT.replace("300 probes over", "301 probes over")))

    assert isinstance(result, dict)
    assert canonical(result)
    assert result["errors"]
    contradictions = result["contradictions"]
    assert isinstance(contradictions, list)
    first = contradictions[0]
    assert isinstance(first, dict)
    assert (first["rule"], first["severity"], first["claimed"]) == ("C01", "error", "301")
    assert (first["line"], first["column"]) == (claim.line, claim.column)
    assert first["expected"] == "300"
