"""Outcomes and damages of replies as rejects of slots, each with its reason."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from compiler.llm.messages import Outcome
from compiler.probes import drawing
from compiler.probes.reasons import REASONS
from compiler.records import ReplyRow
from compiler.stages import finalize
from tests.probes.test_reply import RECORD, good, scopes

TEXT = json.dumps(good())
WRITTEN = [slot.index for slot in RECORD.slots if slot.scope in scopes()]
BOUND = finalize._Bound(
    scopes(),
    {
        slot.scope: scopes()[slot.scope].split if slot.scope in scopes() else "word_lens"
        for slot in RECORD.slots
    },
    suffix_in_generated=True,
)
PLACES = [each for each in RECORD.shown[0].boundaries if "word_lens" in each.groups]
SEEDS = range(24)


def good_split() -> int:
    """Return the offset of the place that `good` names for words and lenses."""
    name = json.loads(TEXT)["splits"]["word_lens"]
    return next(each.offset for each in PLACES if each.id == name)


def made(text: str, outcome: Outcome = Outcome.OK) -> finalize._Made:
    rows = finalize._Made()
    finalize._document(BOUND, RECORD, ReplyRow(outcome.value, text, "m", 9), rows)
    return rows


@pytest.mark.parametrize(
    ("outcome", "reason"),
    [
        (Outcome.REFUSED, "reply_refused"),
        (Outcome.TRUNCATED, "reply_truncated"),
        (Outcome.PAUSED, "reply_paused"),
        (Outcome.EMPTY, "reply_empty"),
        (Outcome.UNKNOWN, "reply_unknown"),
        (Outcome.ERRORED, "reply_errored"),
        (Outcome.EXPIRED, "reply_errored"),
        (Outcome.CANCELED, "reply_errored"),
    ],
)
def test_the_text_of_other_outcomes_is_not_used(outcome: Outcome, reason: str) -> None:
    rows = made(TEXT, outcome)

    assert not rows.probes
    assert [each.rung for each in rows.choices] == [""]
    assert [each.reason for each in rows.rejects] == [reason] * len(WRITTEN)
    assert reason in REASONS


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (TEXT + "\nCorrected:\n" + TEXT.replace("rich", "poor"), "reply_ambiguous"),
        (TEXT.replace('"rich"', '"rich", "mood": "so "so""'), "reply_unparsed"),
        (TEXT[:-1] + ', "probes": []}', "reply_unparsed"),
        ("I cannot.", "reply_unparsed"),
        ('{"sibling": 2}', "reply_invalid"),
    ],
)
def test_a_reply_of_no_certain_reading_is_rejected_as_a_whole(text: str, reason: str) -> None:
    rows = made(text)

    assert not rows.probes
    assert {each.reason for each in rows.rejects} == {reason}
    assert reason in REASONS


def test_an_unreadable_slot_is_rejected_with_its_reason() -> None:
    old = '"question": "What is told about matter number 10?"'
    assert old in TEXT
    rows = made(TEXT.replace(old, '"question": "What is told "of", "it": "number" 10?"'))
    whole = made(TEXT)

    assert [*rows.probes] == [each for each in whole.probes if each.slot != 10]
    (reject,) = (each for each in rows.rejects if each.slot == 10)
    assert reject.reason == "slot_unparsed"
    assert "a key within" in reject.detail
    assert reject.reason in REASONS


UNUSABLE = (
    "I cannot.",
    TEXT.replace('"sibling": "A"', '"sibling": "Z"'),
    TEXT.replace('"word_lens": "', '"word_lens": "x'),
    json.dumps(good() | {"splits": None}),
)


@pytest.mark.parametrize("text", UNUSABLE)
def test_templated_slots_get_a_drawn_split_whatever_the_reply(text: str) -> None:
    (choice,) = made(text).choices
    legal = {each.offset: each.tokens for each in PLACES}

    assert text != TEXT
    assert choice.drawn == ("word_lens",)
    assert choice.splits.word_lens in legal
    assert choice.split_tokens.word_lens == legal[choice.splits.word_lens]
    assert {each.slot for each in made(text).rejects} <= {*WRITTEN}


def test_a_usable_split_of_the_generator_is_kept() -> None:
    (choice,) = made(TEXT).choices

    assert choice.drawn == ()
    assert choice.splits.word_lens == good_split()


def test_a_missing_word_split_keeps_the_written_probes() -> None:
    rows = made(UNUSABLE[2])

    assert rows.probes == made(TEXT).probes
    assert rows.choices[0].sibling_rationale == made(TEXT).choices[0].sibling_rationale


def test_the_drawn_split_depends_on_the_row_seed_only() -> None:
    drawn = [
        drawing.completed(replace(RECORD, row_seed=n), None, {"word_lens"}, "m") for n in SEEDS
    ]
    places = {choice.splits.word_lens for choice in drawn if choice is not None}
    again = drawing.completed(replace(RECORD, row_seed=SEEDS[0]), None, {"word_lens"}, "other")

    assert len(places) > len(SEEDS) / 4
    assert again is not None
    assert drawn[0] is not None
    assert again.splits == drawn[0].splits


def test_a_sibling_without_places_is_not_drawn() -> None:
    bare = replace(RECORD.shown[0], idx=9, boundaries=())
    record = replace(RECORD, shown=(bare, RECORD.shown[0]))
    found = [
        drawing.completed(replace(record, row_seed=seed), None, {"word_lens"}, "m")
        for seed in SEEDS
    ]

    assert {choice.sibling for choice in found if choice is not None} == {RECORD.shown[0].idx}
    assert drawing.completed(replace(record, shown=(bare,)), None, {"word_lens"}, "m") is None


def test_unknown_keys_are_counted_and_change_nothing() -> None:
    rows = made(TEXT.replace('"rich"', '"rich", "mood": "fine"'))

    assert [each.keys for each in rows.unknown] == [("mood",)]
    assert rows.probes == made(TEXT).probes
    assert not made(TEXT).unknown
