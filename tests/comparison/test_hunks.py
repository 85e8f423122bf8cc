"""Hunks of a unified diff, with the changed words marked."""

from __future__ import annotations

import difflib

from hypothesis import given
from hypothesis import strategies as st

from compiler.comparison.hunks import Hunk, hunks, unified

LINES = st.lists(st.sampled_from(["a", "b", "a b", "<x>", "", " "]), max_size=12).map(
    lambda lines: "".join(f"{line}\n" for line in lines)
)


def marked(found: tuple[Hunk, ...], sign: str) -> list[str]:
    """Return the changed parts of the lines with a sign."""
    return [
        piece.text
        for hunk in found
        for line in hunk.lines
        if line.sign == sign
        for piece in line.pieces
        if piece.changed
    ]


@given(LINES, LINES)
def test_hunks_equal_the_unified_diff_of_the_standard_library(old: str, new: str) -> None:
    expected = difflib.unified_diff(
        old.splitlines(), new.splitlines(), "old", "new", lineterm="", n=3
    )
    found = hunks(old, new)

    assert list(expected) == (unified("old", "new", found).split("\n") if found else [])


@given(st.text("ab <>.\n", max_size=60), st.text("ab <>.\n", max_size=60))
def test_both_texts_can_be_restored_from_the_full_diff(old: str, new: str) -> None:
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


def test_deleted_words_mark_nothing_on_the_other_side() -> None:
    found = hunks("keep this and that", "keep that")

    assert (marked(found, "-"), marked(found, "+")) == (["this and "], [])


def test_adjacent_changed_words_are_marked_as_one_span() -> None:
    found = hunks("at most sixty words long", "at most a few words long")

    assert (marked(found, "-"), marked(found, "+")) == (["sixty"], ["a few"])


def test_a_missing_final_newline_is_reported() -> None:
    assert hunks("a\n", "a\n") == ()
    assert "+a\\ no newline at the end" in unified("x", "y", hunks("a\n", "a"))


def test_only_equal_spans_are_shortened() -> None:
    old = "word " * 500 + "RIGHT" + " more" * 500
    (hunk,) = hunks(old, old.replace("RIGHT", "WRONG " * 100))
    for line in hunk.lines:
        short = line.shortened()
        assert [p.text for p in short if p.changed] == [p.text for p in line.pieces if p.changed]
        assert sum(len(p.text) for p in short if not p.changed) < 300
        assert line.text in (old, old.replace("RIGHT", "WRONG " * 100))


def test_very_long_lines_are_compared_quickly() -> None:
    old = " ".join(f"w{n}" for n in range(40_000))
    new = old.replace("w7 ", "x7 ").replace("w39990", "x39990")

    assert marked(hunks(old, new), "+") == [new[new.index("x7") : new.index("x39990") + 6]]
