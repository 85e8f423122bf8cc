"""How alike texts are, against the slow and plain way to say it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes import leakage
from compiler.probes.leakage import Sentences

# Few different words, so that much is shared.
WORDS = st.lists(st.sampled_from("ab c dd e f gg h ii j".split()), max_size=14)
ENDS = st.sampled_from([". ", "! ", "? "])


def in_common(left: list[str], right: list[str]) -> int:
    """The longest common subsequence by the textbook's table."""
    table = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for i, one in enumerate(left):
        for j, other in enumerate(right):
            table[i + 1][j + 1] = (
                table[i][j] + 1 if one == other else max(table[i][j + 1], table[i + 1][j])
            )
    return table[-1][-1]


@given(WORDS, WORDS)
def test_likeness_is_twice_the_common_subsequence_over_all_words(
    left: list[str], right: list[str]
) -> None:
    total = len(left) + len(right)
    expected = 2 * in_common(left, right) / total if total else 1.0

    assert leakage.similar(" ".join(left), " ".join(right)) == expected


@given(
    st.lists(st.tuples(WORDS, ENDS), max_size=8),
    WORDS,
    st.booleans(),
    st.integers(0, 200),
    st.booleans(),
)
def test_a_near_copy_is_found_wherever_comparing_with_all_finds_one(
    told: list[tuple[list[str], str]], asked: list[str], copied: bool, place: int, changed: bool
) -> None:
    sentences = [" ".join(words) + end.strip() for words, end in told if words]
    if sentences and copied:
        # A copy with a word changed, or none.
        asked = sentences[place % len(sentences)].rstrip(".!?").split()
        if changed:
            asked[place % len(asked)] = "other"
    query = " ".join(asked) + "."
    texts = [" ".join(sentences[::2]), " ".join(sentences[1::2])]
    alike = [
        each
        for each in sentences
        if min(len(each.split()), len(query.split())) >= 5 and leakage.similar(query, each) > 0.87
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


@given(st.lists(st.text(max_size=6), max_size=12), st.lists(st.text(max_size=6), max_size=12))
def test_words_in_a_row_are_the_common_grams(left: list[str], right: list[str]) -> None:
    def grams(text: str) -> set[tuple[str, str]]:
        return set(pairwise(leakage.as_words(text).split()))

    one, other = " ".join(left), " ".join(right)
    shared = bool(grams(one) & grams(other))

    assert leakage.shares_words(one, [leakage.as_words(other)], 2) == shared
