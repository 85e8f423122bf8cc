"""Outcomes and damages of replies as rejects of slots, each with its reason."""

from __future__ import annotations

import json

import pytest

from compiler.llm.messages import Outcome
from compiler.probes.reasons import REASONS
from compiler.records import ReplyRow
from compiler.stages import finalize
from tests.probes.test_reply import RECORD, good, scopes

TEXT = json.dumps(good())
BOUND = finalize._Bound(
    scopes(),
    {
        slot.scope: scopes()[slot.scope].split if slot.scope in scopes() else "word_lens"
        for slot in RECORD.slots
    },
    suffix_in_generated=True,
)


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
    assert not rows.choices
    assert [each.reason for each in rows.rejects] == [reason] * len(RECORD.slots)
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


def test_unknown_keys_are_counted_and_change_nothing() -> None:
    rows = made(TEXT.replace('"rich"', '"rich", "mood": "fine"'))

    assert [each.keys for each in rows.unknown] == [("mood",)]
    assert rows.probes == made(TEXT).probes
    assert not made(TEXT).unknown
