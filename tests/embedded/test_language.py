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


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        ("For example, stamp collecting is a hobby.", "Stamp collecting is a hobby."),
        ("But then, as a result, the war ended.", "The war ended."),
        ("And so he left.", "He left."),
        ("In addition to this, they sent a ship.", "In addition to this, they sent a ship."),
        ("As a result of the war they left.", "As a result of the war they left."),
        ("For this reason the States feel it.", "For this reason the States feel it."),
        ("For his contribution, Beckett was known.", "For his contribution, Beckett was known."),
        ("So that all may see it, he left.", "So that all may see it, he left."),
        ("Now that he left, all is well.", "Now that he left, all is well."),
        ("Nor is it to be doubted.", "Nor is it to be doubted."),
    ],
)
def test_only_a_connective_is_taken_from_the_beginning(sentence: str, expected: str) -> None:
    assert language.tidy(sentence) == expected
