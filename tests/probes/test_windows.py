"""Openings and ends of windows: all places of a text at once, compared with one at a time."""

from __future__ import annotations

from functools import cache

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes import tokens
from compiler.probes.segment import closing_of
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.probes.windows import OPENINGS, Windows
from tests.conftest import ROOT
from tests.strategies import documents

ODD = st.text(st.sampled_from("aB1 .\n\t”)\u00a0é中😀\x1c"), min_size=1, max_size=40)


@cache
def tokenizer() -> Tokenizer:
    found = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert found is not None
    return tokens.load(found)


def opening_of(text: str, at: int) -> tuple[str, str, str]:
    """Describe the opening of a window that starts at `at`."""
    body = text[at:].lstrip()
    space = text[at : len(text) - len(body)]
    first, last = body[:1], text[max(0, at - 1) : at]
    kind = "line" if "\n" in space else "space" if space else "none"
    letter = "digit" if first.isdigit() else "upper" if first.isupper() else "other"
    letter = "lower" if letter == "other" and first.isalpha() else letter
    before = "line" if last in ("", "\n") else "space" if last.isspace() else "other"
    before = "word" if last.isalnum() else before
    return kind, letter, "" if space else before


@given(st.one_of(ODD, documents()))
def test_windows_have_the_same_number_exactly_when_their_openings_are_alike(text: str) -> None:
    cut = tokenizer().encode(text)
    windows = Windows.of(text, cut)
    places = cut.clean[:-1]
    numbers = {at: windows.opening_at(cut.count_before(at)) for at in places}

    assert all(0 <= number < OPENINGS for number in numbers.values())
    for one in places:
        for other in places[:: max(1, len(places) // 8)]:
            alike = opening_of(text, one) == opening_of(text, other)
            assert (numbers[one] == numbers[other]) == alike


@given(st.one_of(ODD, documents()), st.integers(1, 5))
def test_places_are_all_windows_with_the_requested_opening_and_end(text: str, count: int) -> None:
    cut = tokenizer().encode(text)
    windows = Windows.of(text, cut)
    pairs = list(zip(cut.clean, cut.before, strict=True))
    for at in cut.clean[:-1:7]:
        opening = windows.opening_at(cut.count_before(at))
        alike = {
            (start, end)
            for start, before in pairs[:-1]
            for end, after in pairs
            if after - before == count and windows.opening_at(before) == opening
        }
        found = windows.places(opening, None, count)
        assert [windows.window(place, count) for place in found] == [
            text[start:end] for start, end in sorted(alike)
        ]
        for closing in range(3):
            ended = [windows.window(p, count) for p in windows.places(opening, closing, count)]
            # With the text before it, a window may have an end that it does not have alone.
            assert set(ended) >= {
                text[a:b] for a, b in alike if closing_of(text[a:b]) == closing and closing
            }


@pytest.mark.parametrize(
    ("text", "closing"),
    [
        ("a word", 0),
        ("an end.", 1),
        ("an end.” ", 1),
        ("a line\n", 2),
        ("a line. \n ", 2),
        ("”", 0),
    ],
)
def test_the_end_of_a_window_has_a_kind(text: str, closing: int) -> None:
    assert closing_of(text) == closing


def test_a_text_of_one_token_has_no_longer_windows() -> None:
    windows = Windows.of("a", Tokens([0, 1], [0, 1]))

    assert list(windows.places(windows.opening_at(0), None, 1)) == [0]
    assert not len(windows.places(windows.opening_at(0), None, 2))


@given(st.lists(st.one_of(ODD, documents()), max_size=4), st.integers(1, 60))
def test_joined_windows_are_those_of_each_text_in_order(texts: list[str], count: int) -> None:
    parts = [Windows.of(text, tokenizer().encode(text)) for text in texts]
    joined = Windows.joined([*parts[:1], Windows.joined(parts[1:])])

    for opening in range(OPENINGS):
        for closing in (None, 0, 1, 2):
            assert [joined.window(p, count) for p in joined.places(opening, closing, count)] == [
                part.window(place, count)
                for part in parts
                for place in part.places(opening, closing, count)
            ]


def test_no_source_has_no_windows() -> None:
    assert not len(Windows.joined([]).places(0, None, 1))
