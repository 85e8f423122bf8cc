"""A card whose figures reconcile has no contradiction; one altered number is found and named."""

from __future__ import annotations

import pytest

from compiler.checking.claims.checked import Checked, check, data
from compiler.checking.claims.claim import Claim
from compiler.checking.claims.reading import read
from compiler.checking.claims.rules import RULES
from compiler.keys import canonical
from tests.checking.claims.cards import CONSISTENT, altered, other_values
from tests.conftest import ROOT

# Claims that are only bounded (a batch may be too large): a wrong value may still be possible.
BOUNDED = {
    "chunks", "chunk_limit", "batch_cap", "download_size", "quirks", "parsed_strict",
    "parsed_final", "typical_from", "siblings_shown", "std", "documents", "labelled",
}  # fmt: skip
# Stands in no equation: nothing on the card depends on it.
FREE = {"view_chars"}
NUMBERS = [c for c in read(CONSISTENT) if c.is_number and c.name not in FREE]
EQUATED = [claim for claim in NUMBERS if claim.name not in BOUNDED]


def place(claim: Claim) -> tuple[int, int]:
    return claim.line, claim.column


def name(claim: Claim) -> str:
    return f"{claim.line}:{claim.column} {claim.label}"


def test_nothing_is_wrong_with_it() -> None:
    checked = check(CONSISTENT)

    assert checked.contradictions == ()
    assert checked.suspects == ()


def test_it_gives_most_rules_something_to_try() -> None:
    """So that the tests below alter what is really looked at."""
    errors = {rule for rule in RULES if RULES[rule].severity == "error"}

    assert errors - check(CONSISTENT).applied.keys() == {"C29"}
    assert len(NUMBERS) > 150


def test_nothing_is_wrong_with_the_card_that_the_compiler_writes() -> None:
    checked = check((ROOT / "tests/golden/card.md").read_text(encoding="utf-8"))

    assert [str(each) for each in checked.contradictions] == []
    assert {"C01", "C04", "C06", "C07", "C08", "C31", "C32", "C33"} <= checked.applied.keys()


def failing(claim: Claim, value: str) -> Checked:
    return check(altered(CONSISTENT, claim, value))


@pytest.mark.parametrize("claim", EQUATED, ids=name)
def test_any_wrong_number_is_an_error_that_names_it(claim: Claim) -> None:
    for value in other_values(claim):
        checked = failing(claim, value)
        named = {place(s) for each in checked.contradictions for s in each.suspects}

        assert checked.errors, f"{value} instead of {claim.written} goes unseen"
        assert place(claim) in named
        assert place(claim) in {place(suspect.claim) for suspect in checked.suspects}


@pytest.mark.parametrize("claim", [c for c in NUMBERS if c.name in BOUNDED], ids=name)
def test_a_bounded_number_is_named_once_it_is_out_of_bounds(claim: Claim) -> None:
    mark = claim.written[-1] if claim.written.endswith("%") else ""
    found = [failing(claim, f"{value}{mark}") for value in ("0", "0.9", "1", "96", "999999999")]

    assert any(place(claim) in {place(s.claim) for s in each.suspects} for each in found)


def test_the_altered_number_comes_first_or_ties() -> None:
    """Blame cannot do better than the equations: two numbers of one equation look alike."""
    first = tied = 0
    for claim in EQUATED:
        suspects = failing(claim, other_values(claim)[0]).suspects
        best = suspects[0]
        tie = [s for s in suspects if (s.failing, s.holding) == (best.failing, best.holding)]
        first += place(best.claim) == place(claim)
        tied += place(claim) in {place(s.claim) for s in tie}

    assert tied / len(EQUATED) > 0.8
    assert first / len(EQUATED) > 0.7


def test_the_number_in_all_failing_rules_and_no_other_is_blamed() -> None:
    """The bin stands in the sum of bins, its percentage and HARD; each has other members."""
    claim = next(c for c in NUMBERS if c.name == "bin" and c.get("bin") == "[0.2, 0.4)")
    checked = failing(claim, "31")

    assert {each.rule for each in checked.contradictions} >= {"C06", "C07", "C08"}
    assert place(checked.suspects[0].claim) == place(claim)
    assert checked.suspects[0].holding == 0 or checked.suspects[0].failing >= 3


def test_a_total_that_many_rules_share_is_blamed() -> None:
    claim = next(c for c in NUMBERS if c.name == "scored" and not c.of)
    checked = failing(claim, "130")

    assert {each.rule for each in checked.contradictions} >= {"C06", "C07", "C28", "C32"}
    assert place(checked.suspects[0].claim) == place(claim)


def test_the_result_for_machines_is_json_with_places() -> None:
    claim = next(c for c in NUMBERS if c.name == "probes")
    result = data(failing(claim, "301"))

    assert isinstance(result, dict)
    assert canonical(result)
    assert result["errors"]
    contradictions = result["contradictions"]
    assert isinstance(contradictions, list)
    first = contradictions[0]
    assert isinstance(first, dict)
    assert (first["rule"], first["line"], first["claimed"]) == ("C01", claim.line, "301")
