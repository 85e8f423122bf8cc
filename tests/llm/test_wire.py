"""Outcomes of messages: every content and stop reason has a stated outcome."""

from __future__ import annotations

import json

import pytest
from msgspec.structs import replace

from compiler.keys import Json
from compiler.llm.messages import BILLED, Outcome, Request
from compiler.llm.providers.anthropic import wire
from compiler.servers import stream
from compiler.servers.failure import Failure
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


def test_sampling_parameters_are_sent_only_where_a_request_names_them() -> None:
    plain = Request("m", "s", "u", 50, None)
    sent = replace(plain, sampling=(("temperature", 1.0), ("top_k", 40)))

    assert not {"temperature", "top_p", "top_k"} & wire.messages_body(plain).keys()
    body = wire.messages_body(sent)
    assert (body["temperature"], body["top_k"]) == (1.0, 40)
    assert {**body, **wire.messages_body(plain)} == body


START: Json = {"type": "message", "id": "msg_1", "content": [], "stop_reason": None,
         "usage": {"input_tokens": 7, "output_tokens": 1}}  # fmt: skip


def _stream(*events: dict[str, object], end: str = "\n\n") -> bytes:
    return "".join(f"event: {e['type']}\ndata: {json.dumps(e)}{end}" for e in events).encode()


def _text(text: str) -> dict[str, object]:
    delta = {"type": "text_delta", "text": text}
    return {"type": "content_block_delta", "index": 0, "delta": delta}


BEGIN: dict[str, object] = {"type": "message_start", "message": START}
BLOCK: dict[str, object] = {
    "type": "content_block_start",
    "index": 0,
    "content_block": {"type": "text", "text": ""},
}
END: dict[str, object] = {
    "type": "message_delta",
    "delta": {"stop_reason": "end_turn"},
    "usage": {"output_tokens": 9},
}
STOP: dict[str, object] = {"type": "message_stop"}


@pytest.mark.parametrize("size", [1, 7, 10_000])
@pytest.mark.parametrize("end", ["\n\n", "\r\n\r\n"])
def test_a_stream_is_assembled_however_it_is_cut_into_pieces(size: int, end: str) -> None:
    text = "It left\u2028at dawn \u00e9\n"
    data = _stream(BEGIN, BLOCK, {"type": "ping"}, _text(text), _text("."), END, STOP, end=end)
    found = wire.reply(stream.message(data[n : n + size] for n in range(0, len(data), size)), "r")

    assert (found.outcome, found.text) == (Outcome.OK, f"{text}.")
    assert (found.input_tokens, found.output_tokens) == (7, 9)


@pytest.mark.parametrize(
    ("events", "message"),
    [
        ([], "not a message"),
        ([_text("a"), END], "not a message"),
        ([BEGIN, BLOCK, _text("half")], "cut off"),
        ([BEGIN, BLOCK, _text("half"), STOP], "cut off"),
        ([BEGIN, {"type": "error", "error": {"type": "api_error"}}], "api_error in the stream"),
    ],
)
def test_half_a_stream_is_no_message(events: list[dict[str, object]], message: str) -> None:
    with pytest.raises(Failure, match=message):
        stream.message([_stream(*events)])


def test_an_event_that_is_not_json_is_no_message() -> None:
    with pytest.raises(Failure, match="cannot be decoded"):
        stream.message([_stream(BEGIN) + b"data: {half\n\n"])


def test_a_server_without_starts_of_blocks_is_read() -> None:
    found = wire.reply(stream.message([_stream(BEGIN, _text("a"), _text("b"), END)]), "r")
    assert found.text == "ab"
