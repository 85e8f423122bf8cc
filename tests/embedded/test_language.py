"""The English heuristics of the embedded model."""

from __future__ import annotations

import pytest

from compiler.embedded import language


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # A capital that only begins a sentence, and an adverb.
        ("Compare them with the right whale. Historically they were of it.", ["right whale"]),
        # A contraction, and the noun of a connective.
        ("They weren't in the harbour, of course, and didn't look.", ["harbour"]),
        # A name within a sentence, and the subject of a copula.
        ("Queequeg is here, and they saw Nantucket.", ["Queequeg", "Nantucket"]),
        ("It had a high degree of skill.", ["high degree", "skill"]),
    ],
)
def test_topics_are_names_and_nouns(text: str, expected: list[str]) -> None:
    assert language.topics(text, "", 3) == expected


def test_a_word_is_a_name_if_the_other_side_has_it_inside_a_sentence() -> None:
    text = "Compare them. Ahab knew it."
    assert language.topics(text, "They compare all.", 3) == []
    assert language.topics(text, "The crew feared Ahab.", 3) == ["Ahab"]


def test_a_subordinate_clause_is_no_subject() -> None:
    assert not language.names_something("whilst the cook")
