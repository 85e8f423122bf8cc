"""Alternatives that are mostly a copy of a sibling break V12; alternatives of one's own do not."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from compiler.containment import WordRuns
from compiler.probes.checks import CHECKS, MAX_GRAMS, MAX_RUN, Facts, examine
from compiler.probes.leakage import squash
from compiler.probes.places import Places
from compiler.probes.segment import segment
from compiler.records import Probe
from compiler.spec.model import WrittenScope
from compiler.words import words_of
from tests.conftest import ROOT
from tests.probes.test_passages import texts

SCOPE = WrittenScope(
    kind="written", order=0, slots=1, split="sentence", unit="sentence", synergy=""
)
OWN = (
    "The council paid the masons in grain. The river froze early that year, and nobody crossed it."
)
# Words that no text of the demo has.
FOREIGN = "zabra quoltin meffer dystrand oxil pravoon tebbing".split()


def rejected(alternative: str, siblings: list[str], answer: str = "It froze.") -> str:
    """Return the detail of V12 about an alternative, empty if it holds."""
    text = OWN
    probe = Probe(
        "d", 0, "sentence", "suffix", 38, len(text), "What happened to the river?", answer,
        alternative, None, None, None, None, 0, "two pieces", None, None, None, None, None, None,
        None, None, (),
    )  # fmt: skip
    squashed = [*map(squash, (text, *siblings))]
    facts = Facts(segment(text, 0), Places.of(text), 0, 38, SCOPE, squashed, 0, False)
    return next((each.detail for each in examine(probe, facts) if each.check.id == "V12"), "")


@pytest.mark.parametrize(
    ("alternative", "detail"),
    [
        ("It froze.", "it equals the truth"),
        ("“IT FROZE”", "it equals the truth"),
        ("The river froze  early that year, and nobody crossed it", "it equals the truth"),
        ("The river froze early that year, and nobody crossed her.", "it is nearly the truth"),
        ("What happened to the river?", "it stands in the question"),
        ("The river", "it stands in the question"),
        ("The council paid the masons in grain.", "a sibling wrote it"),
    ],
)
def test_an_alternative_that_repeats_another_text_is_rejected(
    alternative: str, detail: str
) -> None:
    assert rejected(alternative, []) == detail


def test_an_alternative_that_is_nearly_the_answer_is_rejected() -> None:
    answer = "Ice closed the water for eleven weeks, longer than anyone in town recalled."
    nearly = answer.replace("eleven", "twelve")

    assert rejected(nearly, [], answer) == "it is nearly the truth"
    assert rejected(nearly, []) == ""


def sentences() -> Iterator[tuple[str, list[str]]]:
    """Yield sentences of the demo's texts, each with the texts of its document."""
    for found in texts().values():
        siblings = [text for text, _ in found.values()]
        for text, segments in found.values():
            for span in segments.sentences[:: max(1, len(segments.sentences) // 2)]:
                sentence = " ".join(text[span.start : span.end].split())
                if len(words_of(sentence)) >= 6:
                    yield sentence, siblings


def test_a_truncated_copy_of_a_sibling_is_found_at_every_cut() -> None:
    tried = 0
    for sentence, siblings in list(sentences())[::6]:
        words = sentence.split()
        runs = [" ".join(words[:end]) for end in range(4, len(words) + 1)]
        runs += [" ".join(words[start:]) for start in range(1, len(words) - 3)]
        for copy in runs:
            if len(words_of(copy)) >= 4:
                tried += 1
                assert rejected(copy.rstrip(" ,;:.") + ".", siblings), copy

    assert tried > 400


def test_a_truncated_copy_with_another_ending_is_found_at_every_cut() -> None:
    """Cover an ending of at most 30% of the words, which no sibling has."""
    tried = 0
    for sentence, siblings in list(sentences())[::6]:
        words = words_of(sentence)
        for end in range(5, len(words) + 1):
            # Words that are joined by an apostrophe or a dash count once.
            more = FOREIGN[: int(end * 0.3 / 0.7)]
            if more:
                tried += 1
                assert rejected(" ".join([*words[:end], *more]) + ".", siblings)

    assert tried > 200


def test_a_longer_ending_of_its_own_is_accepted() -> None:
    copied, own = "the river froze early that".split(), FOREIGN

    assert rejected(" ".join([*copied, *own[:2]]), [])
    assert not rejected(" ".join([*copied, *own[:3]]), [])


def test_sentences_from_several_places_are_found_by_their_runs_of_eight_words() -> None:
    """Cover a paragraph of copies, none of which has most of its words."""
    words = [first + second for first in "abcdefghijklmno" for second in "abcdefghijklmno"]
    runs = WordRuns([" ".join(words)])
    copied = " ".join(" ".join(words[start : start + 14]) for start in (0, 50, 120))
    run, grams = runs.contained(copied)

    assert run < MAX_RUN
    assert grams > MAX_GRAMS
    assert runs.contained(" ".join(words[::2])) == (0.0, 0.0)


@pytest.mark.parametrize("scope", ["sentence", "paragraph"])
def test_alternatives_written_by_hand_are_accepted(scope: str) -> None:
    lines = (ROOT / "tests/data/answers.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["scope"] == scope and "alternative" in row]
    found = [
        rejected(row["alternative"], [text for text, _ in texts()[row["doc"]].values()])
        for row in rows
    ]

    assert len(rows) >= (30 if scope == "sentence" else 6)
    assert [each for each in found if each.startswith("mostly")] == []
    # "if the U.S." is taken for a sentence of six words, which a sibling has.
    assert len([*filter(None, found)]) <= 1


def test_the_documented_rate_is_that_of_the_rows() -> None:
    lines = (ROOT / "tests/data/answers.jsonl").read_text(encoding="utf-8").splitlines()
    count = sum("alternative" in json.loads(line) for line in lines)

    assert CHECKS["V12"].false_alarms == f"0 of {count} alternatives, by containment"
