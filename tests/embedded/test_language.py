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


@pytest.mark.parametrize(
    ("sentence", "expected"),
    [
        # At a clause's end.
        ("The crew was ready, and the boats were lowered into the sea.", "The crew was ready."),
        # Not a bare subordinate clause.
        ("When the crew was ready, the boats were lowered.", None),
        ("When he came, all was ready, but no boat lay there.", "When he came, all was ready."),
        # No open quotation or bracket.
        ("The man said “it was here, and then it was gone” to me.", None),
        ("The men were (as he said, and as he saw) ready now.", "The men were ready now."),
        # Not behind an abbreviation.
        ("He was named after Frank Jr., who was a mate.", None),
        # Not without a verb.
        ("The old captain of the ship, who was there, saw it.", None),
    ],
)  # fmt: skip
def test_a_long_sentence_is_cut_where_its_beginning_stands_alone(
    sentence: str, expected: str | None
) -> None:
    assert language.compress(sentence, 8) == (expected or sentence)


@pytest.mark.parametrize(
    "sentence",
    [
        "They met Mr. Stubb and Dr. Bunger on the deck.",
        "It was a temple of St. Paul, vs. Rome, built c. 1750 as no. 3.",
        "They used rigid vessels, e.g. Zeppelins of the first kind.",
    ],
)
def test_no_sentence_ends_with_an_abbreviation(sentence: str) -> None:
    assert language.sentences(f"{sentence} The next one is here.")[0] == sentence
