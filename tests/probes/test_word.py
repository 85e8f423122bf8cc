"""Words that may be atoms of the word scope."""

from __future__ import annotations

import pytest

from compiler.probes.scopes.word import _eligible
from compiler.probes.segment import Span
from compiler.templating.prompts import Library
from tests.conftest import ROOT


@pytest.mark.parametrize(
    ("text", "word", "may"),
    [
        ("see https://www.example.org/harbour?ships=many today", "example", False),
        ("see https://www.example.org/harbour?ships=many today", "https", False),
        ("see https://www.example.org/harbour?ships=many today", "ships", False),
        ("(www.lantern.org)", "lantern", False),
        ("HTTP://Lantern.org", "Lantern", False),
        ("the end.Lantern of it", "Lantern", True),
        ("note: lantern", "note", True),
        ('he said "lantern."', "lantern", True),
        ("a<b>lantern</b>", "lantern", True),
        ("tom &amp; harbour", "amp", False),
    ],
)
def test_a_word_of_an_address_or_markup_is_not_an_atom(text: str, word: str, may: bool) -> None:
    start = text.index(word)

    assert _eligible(text, Span(start, start + len(word))) == may


@pytest.mark.parametrize("target", ["prefix", "suffix"])
def test_every_question_says_that_words_are_counted_between_spaces(target: str) -> None:
    lines = Library(ROOT / "templates").phrasings("word", target, 3)

    assert len(set(lines)) == 7
    assert [line for line in lines if "between spaces" not in line] == []
