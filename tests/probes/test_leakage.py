"""Similarity of texts, compared with slow and simple definitions."""

from __future__ import annotations

import unicodedata

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes import leakage
from compiler.probes.copies import Sentences
from compiler.probes.shingles import Shingles

# Few distinct words, so that texts have much in common.
WORDS = st.lists(st.sampled_from("ab c dd e f gg h ii j".split()), max_size=14)
ENDS = st.sampled_from([". ", "! ", "? "])


def in_common(left: list[str], right: list[str]) -> int:
    """Compute the length of the longest common subsequence by the textbook's table."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


def similar(left: list[str], right: list[str]) -> float:
    return 2 * in_common(left, right) / (len(left) + len(right))


@given(WORDS, WORDS.filter(bool), st.sampled_from([0.0, 0.5, 0.85, 0.87]))
def test_similarity_is_twice_the_common_subsequence_over_all_words(
    left: list[str], right: list[str], share: float
) -> None:
    assert leakage.alike(left, right, share) == (similar(left, right) > share)
    assert leakage.alike(right, left, share) == (similar(right, left) > share)
    assert leakage.alike(right, right, share)


SPACED = st.text(
    st.sampled_from("ab.—ﬁÅ̊ \t\n\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2003\u2028\u2029\u3000")
)


@given(st.one_of(st.text(), SPACED, SPACED.map(lambda text: text * 20)))
def test_squashed_texts_have_single_spaces_and_one_spelling(text: str) -> None:
    folded = unicodedata.normalize("NFKC", text).casefold()

    assert leakage.squash(text) == regex.sub(r"\s+", " ", folded).strip()
    if not set(text) & set(leakage.SEPARATORS):
        assert leakage.squash(text) == " ".join(folded.split())


@given(st.lists(SPACED | st.text(max_size=40), max_size=3), st.data())
def test_shingles_of_the_texts_are_never_absent(texts: list[str], data: st.DataObject) -> None:
    asked = "".join(data.draw(st.sampled_from([*texts, "none of these"])) for _ in range(3))

    for at in Shingles(texts).absent(asked):
        assert not any(asked[at : at + Shingles.size] in text for text in texts)


def test_shingles_that_no_text_holds_are_absent() -> None:
    told = Shingles(["the harbour was quiet that morning", "nobody spoke", "short"])

    assert told.absent("the harbour was loud") == [9, 10, 11, 12]
    assert told.absent("nothing") == []


@given(
    st.lists(st.tuples(WORDS, ENDS), max_size=8),
    WORDS,
    st.booleans(),
    st.integers(0, 200),
    st.booleans(),
    st.sampled_from([" ", "\x1c"]),
)
def test_a_near_copy_is_found_exactly_when_a_full_comparison_finds_one(
    told: list[tuple[list[str], str]],
    asked: list[str],
    copied: bool,
    place: int,
    changed: bool,
    gap: str,
) -> None:
    sentences = [" ".join(words) + end.strip() for words, end in told if words]
    if sentences and copied:
        # A copy with one word changed, or an exact one.
        asked = sentences[place % len(sentences)].rstrip(".!?").split()
        if changed:
            asked[place % len(asked)] = "other"
    query = " ".join(asked) + "."
    texts = [" ".join(sentences[::2]), gap.join(sentences[1::2])]
    # The odd gap does not end a sentence, although it separates words.
    parts = [*sentences[::2], *([texts[1]] if gap == "\x1c" else sentences[1::2])]
    split = [each.split() for each in parts]
    asked = query.split()
    alike = [
        each for each in split if min(len(each), len(asked)) >= 5 and similar(asked, each) > 0.87
    ]

    assert (Sentences(texts).near_copy(query) is not None) == bool(alike)


@pytest.mark.parametrize("changed", [0, 1, 2, 3])
def test_a_copy_of_a_real_sentence_is_found(changed: int) -> None:
    told = "the harbour was quiet that morning, and nobody in the whole town spoke of the storm."
    words = told.split()
    for at in range(changed):
        words[3 + 5 * at] = "never"

    assert Sentences([f"before. {told} after."]).near_copy(" ".join(words)) == (
        " ".join(words) if changed < 3 else None
    )
