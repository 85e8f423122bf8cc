"""Written alternatives: whole phrases, no predicate twice, no truth of the atom."""

from __future__ import annotations

import pytest

from compiler.embedded import language, nearmiss
from compiler.embedded.nearmiss import NearMisses

COMPLEMENT = (
    "The whale is the largest of all living creatures, and it lives in the northern seas. "
    "The captain was an old man of great courage, who had lost a leg in the south. "
    "The harpooner was a prince from a far island, and he was silent at the table. "
    "The ship had a crew of thirty men from many nations, and was built in Nantucket. "
    "The first mate was careful with the boats and with the lives of his men."
)
ATOM = (
    "The cook was an old man of little humour, but he was careful with the lamps. "
    "The steward was a quiet man from a far village. "
    "The carpenter had a bench of thirty tools behind the mast."
)


@pytest.mark.parametrize(
    ("rest", "most", "expected"),
    [
        ("named after the capital of the, and of the empire", 7, "named after the capital"),
        ("very good at the oars, and (see the table, page 4) at sea", 9, "very good at the oars"),
        ("treaties that were signed between Brazil and Portugal in the year 1750", 6, None),
        ("largest of all living creatures.", 9, "largest of all living creatures"),
        ("found near the sea (in summer.", 9, None),
    ],
)  # fmt: skip
def test_a_head_ends_with_a_phrase(rest: str, most: int, expected: str | None) -> None:
    assert nearmiss._heads(rest, (most,)) == [expected] * (expected is not None)


def test_no_predicate_is_used_twice_in_an_alternative() -> None:
    misses = NearMisses(ATOM, COMPLEMENT, [COMPLEMENT + "\n" + ATOM])
    made = misses.all(language.sentences(ATOM))

    assert made is not None
    heads = [head for each in misses._donors for head in nearmiss._heads(each.rest, (4, 9))]
    assert max(made.casefold().count(nearmiss._key(head)) for head in heads) == 1


def test_an_alternative_states_no_sentence_of_the_atom() -> None:
    first, *_ = language.sentences(ATOM)
    draft = "The steward was from a far village and a quiet man of the sea"

    assert NearMisses(first, COMPLEMENT, [])._joined(draft, first) is not None
    assert NearMisses(ATOM, COMPLEMENT, [])._joined(draft, first) is None


def test_later_predicates_are_clauses_with_the_same_subject() -> None:
    sentence = "The ship had a crew of thirty men, and was built in Nantucket."
    assert [(each.subject, each.verb) for each in language.clauses(sentence)] == [
        ("The ship", "had"),
        ("The ship", "was"),
    ]
