"""Spans of a text: they cover it, and difficult cases are segmented correctly."""

from __future__ import annotations

import json

import pytest
import regex
from hypothesis import given
from hypothesis import strategies as st

from compiler.probes import segment
from compiler.probes.segment import counted_words
from compiler.words import size_between, words_of
from tests.conftest import ROOT
from tests.strategies import documents


@given(documents(), st.data())
def test_spans_are_ordered_trimmed_and_cover_every_visible_character(
    text: str, data: st.DataObject
) -> None:
    found = segment.segment(text, data.draw(st.integers(0, len(text))))
    for spans in (found.paragraphs, found.sentences):
        at = 0
        for span in spans:
            assert at <= span.start < span.end <= len(text)
            assert text[at : span.start].strip() == ""
            assert text[span.start : span.end] == text[span.start : span.end].strip()
            at = span.end
        assert text[at:].strip() == ""
    for sentence in found.sentences:
        assert any(p.start <= sentence.start and sentence.end <= p.end for p in found.paragraphs)


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("Dr. Smith met Mr. Jones. They spoke.", ["Dr. Smith met Mr. Jones.", "They spoke."]),
        ("It costs 3.50 at No. 5. Cheap!", ["It costs 3.50 at No. 5.", "Cheap!"]),
        ("The U.S. won. Nobody saw.", ["The U.S. won.", "Nobody saw."]),
        ("He said “stop.” Then he left.", ["He said “stop.”", "Then he left."]),
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ("第一句。第二句！", ["第一句。", "第二句！"]),
        ("See https://a.b/c.d for more. Done.", ["See https://a.b/c.d for more.", "Done."]),
        ("A line\nwrapped here. Next one.", ["A line\nwrapped here.", "Next one."]),
        ("- first item\n- second item", ["- first item", "- second item"]),
        ("# Title\nThe text begins.", ["# Title", "The text begins."]),
        ("Heading\nThe text begins here.", ["Heading", "The text begins here."]),
        ("Para one.\n\nPara two.", ["Para one.", "Para two."]),
        ("cafe\u0301 is nice. \u200dYes.", ["cafe\u0301 is nice.", "\u200dYes."]),
        ("مرحبا بالعالم. كيف الحال؟", ["مرحبا بالعالم.", "كيف الحال؟"]),
    ],
)
def test_sentences_of_web_text(text: str, sentences: list[str]) -> None:
    found = segment.segment(text, 0).sentences

    assert sentences == [text[span.start : span.end] for span in found]


def test_each_region_has_its_own_paragraph_marks() -> None:
    """Cover web extraction, with one newline per paragraph, and model output, with blank lines."""
    prefix = "First.\nSecond.\n"
    text = prefix + "Third line\nwrapped on.\n\nFourth."
    found = segment.segment(text, len(prefix)).paragraphs

    assert [text[p.start : p.end] for p in found] == [
        "First.",
        "Second.",
        "Third line\nwrapped on.",
        "Fourth.",
    ]


def test_words_keep_apostrophes_hyphens_and_numbers() -> None:
    text = "Ahab's half-built ship cost 1,200.50 or cafe\u0301 money"

    assert words_of(text) == [
        "Ahab's",
        "half-built",
        "ship",
        "cost",
        "1,200.50",
        "or",
        "cafe\u0301",
        "money",
    ]


@pytest.mark.parametrize(
    ("text", "prose"),
    [
        ("The engineers rebuilt the bridge.", True),
        ("He said “stop.”", True),
        ("- an item that ends here.", False),
        ("A heading without an end", False),
        ("<b>Bold</b> text is here.", False),
        ("See https://a.b for what is there.", False),
        ("Truly.", False),
        ("第二句是句子。", True),
    ],
)
def test_only_prose_can_be_an_atom(text: str, prose: bool) -> None:
    assert segment.is_prose(text) is prose


@given(st.text(st.sampled_from("ab é中ﬀ1'-,; \u0301\x1c")).map(lambda text: "Aé" + text + "."))
def test_prose_has_letters_and_words_enough(text: str) -> None:
    letters, visible = len(regex.findall(r"[\p{L}\p{M}]", text)), sum(map(len, text.split()))

    worded = letters >= 0.6 * visible and size_between(text, 0, len(text)) >= 3
    assert segment.is_prose(text) is worded


def test_an_empty_text_has_no_spans() -> None:
    found = segment.segment(" \n ", 0)

    assert (found.paragraphs, found.sentences) == ((), ())
    assert segment.word_count("a bc", 2) == 1


CASES = [
    json.loads(line)
    for line in (ROOT / "tests/data/sentences.jsonl").read_text(encoding="utf-8").splitlines()
]
# Known errors of the segmenter, by text. A case that starts to pass must leave this list.
GAPS = {
    "The range is 1.5-2.5 m. It varies.",
    "He left. (It was late.) She stayed.",
    "He said no.Then he left.",
    "“Yes,” he said. “I know.” She nodded.",
    "<p>One.</p> <p>Two.</p>",
    "(It extends slightly beyond the Antarctic Treaty area.) Unregulated fishing, particularly of"
    " Patagonian toothfish, is a serious problem.",
}


def test_the_fixture_is_large_enough_to_be_meaningful() -> None:
    assert len(CASES) >= 129
    assert len({case["kind"] for case in CASES}) >= 25
    assert {case["text"] for case in CASES} >= GAPS


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["text"])[:40])
def test_sentences_of_the_fixture(case: dict[str, object]) -> None:
    text = str(case["text"])
    found = [text[s.start : s.end] for s in segment.segment(text, 0).sentences]

    assert (found == case["sentences"]) is (text not in GAPS), found


def test_every_run_between_whitespace_counts_as_a_word() -> None:
    text = 'Then "harbour" – either/or – was\nquiet, 1623 times. The lantern'
    split = text.index(" was")

    assert [(n, text[s:e]) for n, (s, e) in counted_words(text, split, "suffix")] == [
        (2, "quiet"),
        (4, "times"),
        (6, "lantern"),
    ]
    assert [(n, text[s:e]) for n, (s, e) in counted_words(text, split, "prefix")] == [
        (4, "harbour"),
    ]
    for number, (start, end) in counted_words(text, split, "suffix"):
        assert text[start:end] in text[split:].split()[number - 1]


def test_words_are_counted_up_to_the_largest_index() -> None:
    text = "the harbour " * 40

    assert [index for index, _ in counted_words(text, 0, "suffix")] == [*range(2, 63, 2)]
    assert [index for index, _ in counted_words(text, len(text), "prefix")] == [*range(1, 64, 2)]
