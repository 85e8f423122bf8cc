"""Loops: the covered tokens against a naive search, planted loops, and texts without any."""

from __future__ import annotations

import json
import random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from compiler.rollouts import loops
from tests.conftest import ROOT
from tests.strategies import ODD, documents

WORDS = st.lists(
    st.sampled_from("the a sea boat was is 12 7 quiet 第二 , lamp".split()), max_size=40
)
LINES = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
HUMAN = sorted({json.loads(line)["prefix"] for line in LINES})
OPENING = (
    "The harbour lay quiet under the morning fog, and three boats were still at their moorings. "
    "A woman in a red coat walked along the pier and counted the gulls. Nobody had told her that "
    "the ferry would come late, so she sat down on a crate and opened her newspaper. "
)
OTHER = (
    "stone river copper evening winter garden letter silver morning engine market island".split()
)


def naive(numbers: list[int], back: int) -> list[bool]:
    """Mark covered tokens by comparing every pair of places."""
    patterns = [(0, 1, 2, 3), (0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4)]
    patterns += [(0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)]
    marked = [False] * len(numbers)
    for pattern in patterns:
        span = pattern[-1] + 1
        for late in range(len(numbers) - span + 1):
            # The nearest earlier equal pattern decides.
            for early in range(late - 1, -1, -1):
                if all(numbers[early + at] == numbers[late + at] for at in pattern):
                    if span <= late - early <= back:
                        marked[late : late + span] = [True] * span
                    break
    return marked


@given(WORDS, st.integers(1, 3), st.sampled_from((6, 20, 120)))
def test_the_covered_tokens_are_those_of_a_naive_search(
    words: list[str], times: int, back: int
) -> None:
    found = loops.tokens(" ".join(words * times))

    assert loops.covered(found, back).tolist() == naive(found.tolist(), back)


def test_numbers_are_equal_and_markup_is_no_token() -> None:
    year, it, again = loops.tokens("<b>1999</b> it 7").tolist()

    assert year == again != it
    assert loops.tokens("12 <i>7</i> 12").tolist() == [year] * 3
    assert len(loops.tokens("In <b>1999</b> it")) == 3
    assert len(loops.tokens("海は静かだ")) == 5


@given(st.one_of(ODD, documents()))
@example("no\u2028word\u0085holds\x1ca\x1d\x1e\x1fseparator")
def test_the_tokens_of_chunks_are_those_of_the_whole_text(text: str) -> None:
    # A markup tag is no token, and a text that has one is not cut into chunks.
    assert loops.tokens(text).tolist() == loops.tokens(text + "<b>").tolist()


@given(st.lists(st.integers(0, 4), max_size=90), st.sampled_from((5, 20, 120)))
def test_the_covered_numbers_are_those_of_a_naive_search(numbers: list[int], back: int) -> None:
    found = np.array(numbers, np.uint64)

    assert loops.covered(found, back).tolist() == naive(numbers, back)


def looped(kind: str, seed: int) -> tuple[str, int]:
    """Return a text that loops, and the offset where its first repetition begins."""
    draw = random.Random(seed)
    frame = "The keeper of the old lighthouse said that the lamp was lit again at night."
    words = frame.split()
    text = OPENING + frame
    start = len(text)
    for number in range(12):
        again: list[str] = list(words)
        if kind == "templated":
            for place in draw.sample(range(2, len(again) - 1), 2):
                again[place] = draw.choice(OTHER)
        elif kind == "counted":
            again[0] = f"{number + 2}."
        text += " " + " ".join(again)
    return text, start


@pytest.mark.parametrize("kind", ["verbatim", "templated", "counted"])
@pytest.mark.parametrize("seed", range(5))
def test_a_planted_loop_is_found_near_its_onset(kind: str, seed: int) -> None:
    text, start = looped(kind, seed)
    found = loops.onset(text, 80, 0.65)

    assert found is not None
    assert abs(found - start) < 100


def test_a_looping_text_without_spaces_is_found() -> None:
    text = "海は静かで、三隻の船が港に残っていた。" + "灯台守は夜になると灯をともした。" * 12

    assert loops.onset(text, 80, 0.65) is not None
    assert loops.coverage(text) > 0.5


def test_human_text_has_no_loop() -> None:
    assert len(HUMAN) > 10
    assert [text for text in HUMAN if loops.onset(text, 80, 0.65) is not None] == []
    assert max(map(loops.coverage, HUMAN)) < 0.35


@pytest.mark.parametrize("text", ["", " ", "word", "one two three", "🙂" * 3])
def test_short_texts_have_no_loop_and_no_coverage(text: str) -> None:
    assert loops.onset(text, 80, 0.65) is None
    assert loops.coverage(text) == 0.0
