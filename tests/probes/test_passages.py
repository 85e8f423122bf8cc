"""Answers are compared with their atoms: rates over rows written by hand, and over wrong ones."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import chain, combinations

import pytest

from compiler.probes.checks import CHECKS, Facts, examine
from compiler.probes.lexicon import Lexicon
from compiler.probes.passages import Offered, Passages, Text
from compiler.probes.places import Places
from compiler.probes.segment import Segments, Span, segment
from compiler.probes.shares import about
from compiler.records import Probe, Side
from compiler.spec.model import WrittenScope
from compiler.words import terms_of, words_of
from tests.conftest import ROOT

CHECKED = ("V35", "V36", "V37", "V38")
UNITS = {"sentence": "sentence", "paragraph": "paragraph", "whole": "side"}


@dataclass(frozen=True)
class Row:
    """A row whose answer is correct, with its place in a text of the demo."""

    doc: str
    sibling: int
    scope: str
    span: Span
    target: Side
    question: str
    answer: str

    def overlaps(self, other: Row) -> bool:
        """Return whether two rows of a document have a common part."""
        return self.span.start < other.span.end and other.span.start < self.span.end


@cache
def texts() -> dict[str, dict[int, tuple[str, Segments]]]:
    """Read the demo's texts by document and sibling."""
    found: dict[str, dict[int, tuple[str, Segments]]] = {}
    wanted = {json.loads(line)["doc"] for line in _lines("tests/data/answers.jsonl")}
    for line in _lines("specs/data/rollouts.jsonl"):
        row = json.loads(line)
        if row["doc_id"] in wanted:
            text = row["prefix"] + row["continuation"]
            texts_of = found.setdefault(row["doc_id"], {})
            texts_of[row["doc_idx"]] = text, segment(text, len(row["prefix"]))
    return found


def _lines(path: str) -> list[str]:
    return (ROOT / path).read_text(encoding="utf-8").splitlines()


@cache
def rows() -> tuple[Row, ...]:
    """Read the rows written by hand."""
    return tuple(map(_row, map(json.loads, _lines("tests/data/answers.jsonl"))))


def _row(given: dict[str, str]) -> Row:
    doc, sibling = given["doc"], int(given["sibling"])
    text, segments = texts()[doc][sibling]
    assert text.count(given["atom"]) == 1
    at = text.index(given["atom"])
    side = given.get("side")
    if side is not None:
        span = Span(0, len(text[:at].rstrip())) if side == "prefix" else Span(at, len(text))
    else:
        units = segments.sentences if given["scope"] == "sentence" else segments.paragraphs
        span = next(unit for unit in units if unit.start == at)
    target: Side = "prefix" if side == "prefix" or span.start == 0 else "suffix"
    return Row(doc, sibling, given["scope"], span, target, given["question"], given["answer"])


def offered(segments: Segments) -> Offered:
    """Offer all units of a text."""
    units = {"sentence": segments.sentences, "paragraph": segments.paragraphs}
    return Offered(Text.of(segments.text), units)


@cache
def index(doc: str, sibling: int) -> Passages:
    """Index the passages of a text and of two siblings beside it, as in the demo."""
    found = texts()[doc]
    others = (found[(sibling + step) % 5][1] for step in (1, 2))
    return Passages(found[sibling][1], Text.of(found[sibling][0]), [*map(offered, others)])


def flags(row: Row, question: str, answer: str) -> set[str]:
    """Return the rules about answers and atoms that a row breaks with this probe."""
    text, segments = texts()[row.doc][row.sibling]
    split = row.span.start if row.target == "suffix" else row.span.end
    probe = Probe(
        row.doc, 0, row.scope, row.target, *row.span, question, answer,
        "An alternative that nobody has written anywhere.", None, None, None, None, 0,
        "two pieces", None, None, None, None, None, None, None, None, (),
    )  # fmt: skip
    scope = WrittenScope(
        kind="written", order=0, slots=1, split="whole", unit=UNITS[row.scope], synergy=""
    )
    facts = Facts(
        segments,
        Places.of(text),
        0,
        max(1, split),
        scope,
        [],
        0,
        False,
        passages=index(row.doc, row.sibling),
    )
    return {found.check.id for found in examine(probe, facts)} & {*CHECKED}


def wrong() -> Iterator[tuple[str, Row, Row]]:
    """Yield rows with the row whose question and answer they get, by the kind of mistake."""
    for mine in rows():
        for other in rows():
            if other is mine:
                continue
            if other.doc == mine.doc and other.sibling == mine.sibling:
                kind = "nested" if mine.overlaps(other) else "swapped"
                yield f"{kind} {mine.scope}", mine, other
            elif other.doc != mine.doc and other.scope == mine.scope:
                yield f"canned {mine.scope}", mine, other
        for moved in _at_siblings(mine):
            yield f"sibling {mine.scope}", moved, mine


def _at_siblings(row: Row) -> Iterator[Row]:
    """Yield the row on the units of other siblings with the number of its own unit."""
    text, segments = texts()[row.doc][row.sibling]
    if row.scope == "whole":
        return
    atom = text[row.span.start : row.span.end]
    own = segments.sentences if row.scope == "sentence" else segments.paragraphs
    number = own.index(row.span)
    for sibling, (other, there) in texts()[row.doc].items():
        units = there.sentences if row.scope == "sentence" else there.paragraphs
        if sibling == row.sibling or number >= len(units):
            continue
        unit = units[number]
        found = other[unit.start : unit.end]
        # Siblings begin with the same text.
        several = row.scope == "sentence" or len(there.sentences_in(unit)) > 1
        if several and found[:40] != atom[:40]:
            target: Side = "suffix" if unit.start else "prefix"
            yield Row(row.doc, sibling, row.scope, unit, target, row.question, row.answer)


@cache
def measured() -> tuple[Counter[str], Counter[str], Counter[str]]:
    """Count rows by kind and scope: all of them, those with a flag, those with an error.

    One in twelve of the rows with an answer about another document is tried.
    """
    tried: Counter[str] = Counter()
    flagged: Counter[str] = Counter()
    errors: Counter[str] = Counter()
    seen: Counter[str] = Counter()
    for row in rows():
        found = flags(row, row.question, row.answer)
        tried[f"correct {row.scope}"] += 1
        flagged[f"correct {row.scope}"] += bool(found)
        errors[f"correct {row.scope}"] += "V35" in found
        for check in found:
            flagged[f"{check} {row.scope}"] += 1
    for kind, row, other in wrong():
        seen[kind] += 1
        if kind.startswith("canned") and seen[kind] % 12:
            continue
        found = flags(row, other.question, other.answer)
        tried[kind] += 1
        flagged[kind] += bool(found)
        errors[kind] += "V35" in found
    return tried, flagged, errors


SCOPES = ("sentence", "paragraph", "whole")


def test_the_rows_written_by_hand_are_enough() -> None:
    counts = Counter(row.scope for row in rows())

    assert {*counts} == {*SCOPES}
    assert min(counts.values()) >= 50


@pytest.mark.parametrize("scope", SCOPES)
def test_at_most_two_percent_of_correct_rows_are_flagged(scope: str) -> None:
    tried, flagged, errors = measured()

    assert flagged[f"correct {scope}"] <= 0.02 * tried[f"correct {scope}"]
    assert errors[f"correct {scope}"] == 0


@pytest.mark.parametrize("scope", SCOPES)
@pytest.mark.parametrize("kind", ["swapped", "canned"])
def test_no_answer_about_another_passage_is_left_without_a_flag(kind: str, scope: str) -> None:
    tried, flagged, _ = measured()
    name = f"{kind} {scope}"

    assert tried[name] >= 100
    assert flagged[name] == tried[name]


@pytest.mark.parametrize("scope", ["sentence", "paragraph"])
def test_answers_about_another_sibling_are_flagged(scope: str) -> None:
    tried, flagged, _ = measured()
    name = f"sibling {scope}"

    assert tried[name] >= 45
    assert flagged[name] >= 0.98 * tried[name]


def test_the_documented_rates_are_those_of_the_rows() -> None:
    tried, flagged, errors = measured()

    def total(counts: Counter[str], kind: str) -> int:
        return sum(counts[f"{kind} {scope}"] for scope in SCOPES)

    correct, swapped, canned = (total(tried, kind) for kind in ("correct", "swapped", "canned"))
    assert CHECKS["V35"].false_alarms == f"{total(errors, 'correct')} of {correct}"
    assert CHECKS["V35"].found == (
        f"{total(errors, 'swapped')} of {swapped} swapped within a document, "
        f"{total(errors, 'canned')} of {canned} from another document"
    )
    assert CHECKS["V36"].false_alarms.startswith(f"{total(flagged, 'V36')} of {correct}")
    assert CHECKS["V36"].found == (
        f"with V37 and V38 {total(flagged, 'swapped')} of {swapped} swapped within a document, "
        f"{total(flagged, 'canned')} of {canned} from another document"
    )
    assert CHECKS["V37"].found == (
        f"with V36 {total(flagged, 'nested')} of {total(tried, 'nested')} swapped with a row "
        "whose atom overlaps"
    )


def test_an_answer_in_an_unspaced_script_is_compared_by_pairs_of_characters() -> None:
    text = "昔々、山に老人が住んでいた。彼は毎日川で魚を釣った。ある日、大きな亀が現れた。"
    index = Passages(segment(text, 0), Text.of(text), ())
    fish, turtle = index._segments.sentences[1:3]

    assert about(index.shares("老人は川で魚を釣った", fish, "sentence"), "sentence") == ""
    assert about(index.shares("老人は川で魚を釣った", turtle, "sentence"), "sentence") != ""


def test_an_answer_without_content_is_about_nothing() -> None:
    text = "The harbour was quiet. The storm came later that night."
    index = Passages(segment(text, 0), Text.of(text), ())

    assert about(index.shares("It is so.", Span(0, 22), "sentence"), "sentence") != ""


def test_the_terms_of_any_part_are_those_of_its_words() -> None:
    text = "The 3rd star, a star.Not visible — 1,000 don't shine. 彼は川で魚を釣った。NASA"
    indexed = Text.of(text)
    for start, end in combinations(range(len(text) + 1), 2):
        found = indexed.terms(start, end).tolist()
        words = chain.from_iterable(map(terms_of, words_of(text[start:end])))

        assert sorted(found) == sorted({*map(Lexicon.current().known_term, words)})
