"""Questions of the embedded model ask for facts, never for a description of a text."""

from __future__ import annotations

import json

import pytest
import regex

from compiler.embedded.author import _Writer
from compiler.embedded.tags import Marked
from tests.conftest import ROOT

META = regex.compile(
    r"\b(?:text|passage|document|context|paragraph|sentence|statement)s?\b"
    r"|\b(?:says?|reports?|mentions?|claims?|asserts?|describes?)\b",
    regex.IGNORECASE,
)


def test_no_question_calls_for_a_meta_answer() -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    asked: set[str] = set()
    for row in map(json.loads, lines[::9]):
        # Topics are words of the text, which may be among these.
        text = META.sub("it", row["prefix"] + row["continuation"])
        writer = _Writer(Marked("A", text, 0, (), ()), 0, [], [])
        for far in (True, False):
            parts = [part for part in regex.split(r"(?<=\.)\s+", text) if len(part) > 40]
            asked |= {writer._sentence(part, text, far)[0] for part in parts}
            asked |= {writer._paragraph(text, text, far)[0], writer._whole(text, text, far)[0]}

    assert len(asked) > 250
    assert [question for question in asked if META.search(question)] == []


@pytest.mark.parametrize(
    ("atom", "asked"),
    [
        ("Grandiose handles are characteristic of warez d00dz and crackers.", False),
        ("The results are recorded in a file (of 1999) that is kept.", False),
        ("The results are recorded in 12 files of one kind.", True),
    ],
)
def test_a_figure_is_asked_for_only_where_the_answer_has_one(atom: str, asked: bool) -> None:
    writer = _Writer(Marked("A", atom, 0, (), ()), 0, [], [])
    question, _ = writer._sentence(atom, "", True)
    assert ("figure or date" in question) == asked
