"""Outcomes of messages: every content and stop reason has a stated outcome."""

from __future__ import annotations

import pytest

from compiler.keys import Json
from compiler.llm.messages import BILLED, Outcome
from compiler.llm.providers.anthropic import wire
from compiler.stages.answering import USABLE

TEXT: Json = {"type": "text", "text": "an answer"}
NULL: Json = {"type": "text", "text": None}
THINKING: Json = {"type": "thinking", "thinking": "hm", "signature": "x"}
REDACTED: Json = {"type": "redacted_thinking", "data": "x"}
TOOL: Json = {"type": "tool_use", "id": "x", "name": "y", "input": {}}


def message(content: Json, stop: Json = "end_turn", **fields: Json) -> dict[str, Json]:
    usage: Json = {"input_tokens": 7, "output_tokens": 9}
    return {"content": content, "stop_reason": stop, "model": "m", "usage": usage, **fields}


@pytest.mark.parametrize(
    ("content", "text", "outcome"),
    [
        ([TEXT], "an answer", Outcome.OK),
        ([TEXT, TEXT], "an answeran answer", Outcome.OK),
        ([THINKING, REDACTED, TEXT], "an answer", Outcome.OK),
        ([NULL, TEXT], "an answer", Outcome.OK),
        ([{"type": "text", "text": "None"}], "None", Outcome.OK),
        ([NULL], "", Outcome.EMPTY),
        ([{"type": "text"}], "", Outcome.EMPTY),
        ([{"type": "text", "text": ""}], "", Outcome.EMPTY),
        ([{"type": "text", "text": " \n"}], " \n", Outcome.EMPTY),
        ([THINKING], "", Outcome.EMPTY),
        ([], "", Outcome.EMPTY),
        (None, "", Outcome.EMPTY),
        ([TOOL], "", Outcome.UNKNOWN),
        ([TEXT, TOOL], "an answer", Outcome.UNKNOWN),
        ([TEXT, {"text": "no type"}], "an answer", Outcome.UNKNOWN),
        ([TEXT, "a string"], "an answer", Outcome.UNKNOWN),
        ([{"type": "text", "text": 5}], "", Outcome.UNKNOWN),
        ([{"type": "text", "text": ["a"]}], "", Outcome.UNKNOWN),
        ("a string", "", Outcome.UNKNOWN),
        ({"type": "text", "text": "no list"}, "", Outcome.UNKNOWN),
    ],
)
def test_every_content_has_an_outcome(content: Json, text: str, outcome: Outcome) -> None:
    reply = wire.reply(message(content), "req")

    assert (reply.text, reply.outcome) == (text, outcome)
    assert bool(reply.error) == (outcome is not Outcome.OK)


@pytest.mark.parametrize(
    ("stop", "outcome"),
    [
        ("end_turn", Outcome.OK),
        ("stop_sequence", Outcome.OK),
        ("max_tokens", Outcome.TRUNCATED),
        ("model_context_window_exceeded", Outcome.TRUNCATED),
        ("refusal", Outcome.REFUSED),
        ("pause_turn", Outcome.PAUSED),
        ("tool_use", Outcome.UNKNOWN),
        ("some_future_reason", Outcome.UNKNOWN),
        ("", Outcome.UNKNOWN),
        (None, Outcome.UNKNOWN),
        (5, Outcome.UNKNOWN),
    ],
)
def test_every_stop_reason_has_an_outcome(stop: Json, outcome: Outcome) -> None:
    assert wire.reply(message([TEXT], stop), "req").outcome is outcome


@pytest.mark.parametrize(
    ("content", "stop", "outcome"),
    [
        ([], "refusal", Outcome.REFUSED),
        ([], "max_tokens", Outcome.TRUNCATED),
        ([NULL], "pause_turn", Outcome.PAUSED),
        ([TEXT, TOOL], "max_tokens", Outcome.UNKNOWN),
        ([TOOL], "refusal", Outcome.REFUSED),
        ([], "some_future_reason", Outcome.UNKNOWN),
    ],
)
def test_a_known_stop_reason_decides_before_missing_text(
    content: Json, stop: str, outcome: Outcome
) -> None:
    assert wire.reply(message(content, stop), "req").outcome is outcome


@pytest.mark.parametrize(
    "usage",
    [None, [], {}, {"input_tokens": None}, {"input_tokens": "7"}, {"input_tokens": float("nan")}],
)
def test_a_message_without_usage_is_an_answer_that_counts_as_free(usage: Json) -> None:
    reply = wire.reply(message([TEXT], usage=usage), "req")

    assert (reply.outcome, reply.input_tokens, reply.output_tokens) == (Outcome.OK, 0, 0)


def test_replies_of_uncertain_text_are_billed_but_no_answers() -> None:
    uncertain = {Outcome.PAUSED, Outcome.EMPTY, Outcome.UNKNOWN}

    assert uncertain <= {*BILLED}
    assert not uncertain & {*USABLE}
