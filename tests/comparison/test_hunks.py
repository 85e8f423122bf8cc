"""Hunks are what diff says, and their words are where the change is."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from compiler.comparison.hunks import Hunk, hunks, unified

LINES = st.lists(st.sampled_from(["a", "b", "a b", "<x>", "", " "]), max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


def marked(found: tuple[Hunk, ...], sign: str) -> list[str]:
    """The changed pieces of the lines with a sign."""
    return [
        piece.text
        for hunk in found
        for line in hunk.lines
        if line.sign == sign
        for piece in line.pieces
        if piece.changed
    ]


@given(LINES, LINES)
def test_it_is_the_unified_diff_of_the_standard_library(old: str, new: str) -> None:
    expected = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "old", "new", lineterm="", n=3
    )
    found = hunks(old, new)

    assert list(expected) == (unified("old", "new", found).split("\n") if found else [])


@given(st.text("ab <>.\n", max_size=60), st.text("ab <>.\n", max_size=60))
def test_either_text_can_be_read_back_from_the_whole_of_it(old: str, new: str) -> None:
    found = hunks(old, new, context=1000)
    assert bool(found) == (old != new)
    if found and old.rstrip("\n") != new.rstrip("\n"):
        (hunk,) = found
        left = [line.text for line in hunk.lines if line.sign != "+"]
        right = [line.text for line in hunk.lines if line.sign != "-"]

        assert left == old.removesuffix("\n").split("\n") or (left == [] and old in ("", "\n"))
        assert right == new.removesuffix("\n").split("\n") or (right == [] and new in ("", "\n"))


def test_one_edited_word_is_marked_as_one_word() -> None:
    text = "Grade how much of the truth the answer states."
    found = hunks(text, text.replace("truth", "reference"))

    assert (marked(found, "-"), marked(found, "+")) == (["truth"], ["reference"])


def test_words_that_were_only_taken_away_mark_nothing_on_the_other_side() -> None:
    found = hunks("keep this and that", "keep that")

    assert (marked(found, "-"), marked(found, "+")) == (["this and "], [])


def test_neighbouring_words_are_marked_in_one_stretch() -> None:
    found = hunks("at most sixty words long", "at most a few words long")

    assert (marked(found, "-"), marked(found, "+")) == (["sixty"], ["a few"])


def test_a_missing_last_newline_is_said() -> None:
    assert hunks("a\n", "a\n") == ()
    assert "+a\\ no newline at the end" in unified("x", "y", hunks("a\n", "a"))


def test_only_equal_stretches_are_shortened_and_never_the_change() -> None:
    old = "word " * 500 + "RIGHT" + " more" * 500
    (hunk,) = hunks(old, old.replace("RIGHT", "WRONG " * 100))
    for line in hunk.lines:
        short = line.shortened()
        assert [p.text for p in short if p.changed] == [p.text for p in line.pieces if p.changed]
        assert sum(len(p.text) for p in short if not p.changed) < 300
        assert line.text in (old, old.replace("RIGHT", "WRONG " * 100))


def test_very_long_lines_are_compared_at_once() -> None:
    old = " ".join(f"w{n}" for n in range(40_000))
    new = old.replace("w7 ", "x7 ").replace("w39990", "x39990")

    assert marked(hunks(old, new), "+") == [new[new.index("x7") : new.index("x39990") + 6]]
