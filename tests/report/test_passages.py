"""Texts in pieces that join to the whole and carry the names of their atoms and splits."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.report.passages import Atom, Piece, excerpt, stretches, visible

TEXT = "One two three. Four five six. Seven eight."


@given(
    st.text(st.characters(codec="utf-8", categories=["L", "N", "P", "Zs"]), max_size=60),
    st.lists(st.integers(-3, 64), max_size=4),
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6),
    st.none() | st.integers(-1, 64),
)
def test_pieces_join_to_the_text_and_cover_each_atom_exactly(
    text: str, places: list[int], spans: list[tuple[int, int]], gen_start: int | None
) -> None:
    splits = {f"x{number}": place for number, place in enumerate(places)}
    atoms = [
        Atom(f"a{number}", min(a, len(text)), min(b, len(text)))
        for number, (a, b) in enumerate(spans)
        if min(a, len(text)) < min(b, len(text))
    ]
    found = stretches(text, splits, atoms, gen_start)

    assert "".join(piece.text for piece in found) == text
    for atom in atoms:
        covered = "".join(piece.text for piece in found if atom.name in piece.names)
        assert covered == text[atom.start : atom.end]
    for name, place in splits.items():
        before = "".join(piece.text for piece in found if f"before-{name}" in piece.names)
        marks = [piece for piece in found if name in piece.marks]
        inside = 0 < place < len(text)
        assert before == (text[:place] if inside else "")
        assert len(marks) == inside


def test_overlapping_atoms_are_all_named() -> None:
    atoms = [Atom("a0", 0, 14), Atom("a1", 4, 7), Atom("a2", 0, 29)]
    (two,) = [piece for piece in stretches(TEXT, {"x0": 29}, atoms, 14) if piece.text == "two"]

    assert two.names == ("a0", "a1", "a2", "before-x0", "source")


def test_splits_and_the_start_of_generated_text_are_marked_at_their_place() -> None:
    found = stretches(TEXT, {"x0": 14, "x1": 14}, [], 14)

    assert [piece.marks for piece in found] == [(), ("generated", "x0", "x1")]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\tb\nc\r\n", "a\tb\nc\r\n"),
        ("\x00\x07\x1b[31m\x7f\x85", "[U+0000][U+0007][U+001B][31m[U+007F][U+0085]"),
        ("\u202eabc\u202c \u2066d\u2069", "[U+202E]abc[U+202C] [U+2066]d[U+2069]"),
        ("👩\u200d👩\u200d👧 שלום مرحبا é", "👩\u200d👩\u200d👧 שלום مرحبا é"),
        ("\ud800", "[U+D800]"),
    ],
)
def test_control_characters_are_shown_as_their_code_points(text: str, shown: str) -> None:
    assert visible(text) == shown


def test_an_excerpt_holds_whole_words_around_split_and_atom() -> None:
    text = stretches(TEXT, {"x0": 14}, [Atom("a0", 30, 35), Atom("a1", 0, 3)], None)

    assert excerpt(text, "a0", "x0", 2) == (
        Piece("three.", gap=True, before=True),
        Piece(" Four", split=True),
        Piece("six. ", gap=True),
        Piece("Seven", atom=True),
        Piece(" eight."),
    )
    whole = excerpt(text, "a0", "x0", 99)
    assert "".join(piece.text for piece in whole) == TEXT
    assert not any(piece.gap for piece in whole)


def test_an_excerpt_without_marks_is_the_beginning_of_the_text() -> None:
    assert excerpt(stretches(TEXT, {}, [], None), "a0", "", 5) == (
        Piece("One two"),
        Piece("", gap=True),
    )
