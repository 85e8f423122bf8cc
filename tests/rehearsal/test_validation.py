"""Validation: requests that are rejected at once, and those that become errors in results."""

from __future__ import annotations

from typing import cast

import pytest

from compiler.keys import Json
from compiler.rehearsal.process import Rehearsal
from tests.rehearsal.conftest import BATCHES, Bare, ended, item, items, params

OLD = "2023-06-01"
THINKING = "thinking.enabled.budget_tokens"
BAD: list[tuple[dict[str, Json], str]] = [
    ({"extra_body": {}}, "extra_body: Extra inputs are not permitted"),
    ({"temperature": 1.0}, "temperature: Extra inputs are not permitted"),
    ({"top_p": 0.9}, "top_p: Extra inputs are not permitted"),
    ({"top_k": 5}, "top_k: Extra inputs are not permitted"),
    ({"max_tokens": 0}, "max_tokens: Input should be greater than or equal to 1"),
    ({"max_tokens": "7"}, "max_tokens: Input should be a valid integer"),
    ({"max_tokens": 64_001}, "max_tokens: 64001 > 64000"),
    ({"model": 7}, "model: Input should be a valid string"),
    ({"messages": "hi"}, "messages: Input should be a valid list"),
    ({"messages": []}, "messages: at least one message is required"),
    ({"messages": ["hi"]}, "messages.0: Input should be an object"),
    ({"messages": [{"role": "user"}]}, "messages.0.content: Field required"),
    ({"messages": [{"role": "user", "content": ""}]}, "non-empty content"),
    ({"messages": [{"role": "robot", "content": "x"}]}, "messages.0.role"),
    ({"messages": [{"role": "user", "content": "x", "name": "y"}]}, "messages.0.name: Extra"),
    ({"system": 7}, "system: Input should be a valid string or list"),
    ({"system": [{"type": "image"}]}, "system.0: only blocks"),
    ({"system": [{"type": "text", "text": "x", "y": 1}]}, "system.0.text.y: Extra"),
    ({"system": [{"type": "text", "text": "x", "cache_control": {}}]}, "'ephemeral'"),
    ({"thinking": {"type": "enabled", "budget_tokens": 1023}}, f"{THINKING}: Input should be"),
    ({"thinking": {"type": "enabled", "budget_tokens": 4000}}, "`max_tokens` must be greater"),
    ({"thinking": {"type": "enabled"}}, f"{THINKING}: Field required"),
    ({"thinking": {"type": "adaptive"}}, "adaptive thinking is not supported"),
    ({"thinking": True}, "thinking: Input should be"),
    ({"output_config": {"effort": "low"}}, "does not support the effort"),
    ({"output_config": {"format": {"type": "json"}}}, "output_config.format: Input"),
    ({"output_config": {"format": {"type": "json_schema"}}}, "schema: Field required"),
]


def without(name: str) -> dict[str, Json]:
    return {key: value for key, value in params().items() if key != name}


@pytest.mark.parametrize(("more", "message"), BAD)
def test_bad_params_are_rejected_live(bare: Bare, more: dict[str, Json], message: str) -> None:
    answer = bare.call("POST", "/v1/messages", params() | more)

    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert message in str(answer.error["message"])


@pytest.mark.parametrize("name", ["model", "max_tokens", "messages"])
def test_a_missing_field_is_named(bare: Bare, name: str) -> None:
    answer = bare.call("POST", "/v1/messages", without(name))

    assert (answer.status, answer.error["message"]) == (400, f"{name}: Field required")


def test_bad_params_in_a_batch_are_accepted_and_become_errors(
    server: Rehearsal, bare: Bare
) -> None:
    """Nest the errors as the API does; a stream and an unknown model are errors too."""
    bad: list[tuple[dict[str, Json], str, str]] = [
        (params() | BAD[0][0], "invalid_request_error", BAD[0][1]),
        (params() | BAD[1][0], "invalid_request_error", BAD[1][1]),
        (params(stream=True), "invalid_request_error", "stream"),
        (params(model="no-model"), "not_found_error", "model: no-model"),
        (without("max_tokens"), "invalid_request_error", "max_tokens: Field required"),
        (params("lone \ud800"), "invalid_request_error", "surrogate"),
    ]
    requests: list[Json] = [
        {"custom_id": str(number), "params": given} for number, (given, _, _) in enumerate(bad)
    ]
    batch = ended(server, bare, *requests, {"custom_id": "list", "params": []}, item("good"))

    lines = {line["custom_id"]: line["result"] for line in bare.lines(batch)}
    for number, (_, kind, message) in enumerate(bad):
        result = cast(dict[str, Json], lines[str(number)])
        outer = cast(dict[str, Json], result["error"])
        inner = cast(dict[str, str], outer["error"])
        assert (result["type"], outer["type"], inner["type"]) == ("errored", "error", kind)
        assert message in inner["message"]
    counts = bare.call("GET", f"{BATCHES}/{batch}").json["request_counts"]
    assert counts == {
        "processing": 0,
        "succeeded": 1,
        "errored": len(bad) + 1,
        "canceled": 0,
        "expired": 0,
    }


def test_the_api_version_of_the_create_call_decides_about_sampling(
    server: Rehearsal, bare: Bare
) -> None:
    request = item("a", temperature=0.5, top_p=0.9)

    assert bare.call("POST", "/v1/messages", request["params"], anthropic_version=OLD).status == 200
    old = ended(server, bare, request, anthropic_version=OLD)
    assert cast(dict[str, Json], bare.lines(old)[0]["result"])["type"] == "succeeded"
    new = ended(server, bare, request)
    assert cast(dict[str, Json], bare.lines(new)[0]["result"])["type"] == "errored"


def test_valid_params_of_every_shape_are_accepted(bare: Bare) -> None:
    schema: Json = {"type": "object", "properties": {}, "additionalProperties": False}
    block: Json = {"type": "text", "text": "x", "cache_control": {"type": "ephemeral"}}
    given = params(
        system=[block],
        messages=[{"role": "user", "content": [block]}],
        thinking={"type": "enabled", "budget_tokens": 1024},
        output_config={"format": {"type": "json_schema", "schema": schema}},
        metadata={"user_id": "x"},
    )

    assert bare.call("POST", "/v1/messages", given).status == 200


def test_count_tokens_rejects_max_tokens(bare: Bare) -> None:
    path = "/v1/messages/count_tokens"

    assert bare.call("POST", path, without("max_tokens")).status == 200
    assert "max_tokens: Extra" in str(bare.call("POST", path, params()).error["message"])


@pytest.mark.parametrize(
    ("requests", "message"),
    [
        ([], "at least 1 item"),
        (items(21), "at most 20 items"),
        ([item("a"), item("a")], "requests.1.custom_id: 'a' is not unique"),
        ([item("")], "requests.0.custom_id: String should match"),
        ([item("a b")], "requests.0.custom_id: String should match"),
        ([item("a\n")], "requests.0.custom_id: String should match"),
        ([item("x" * 65)], "requests.0.custom_id: String should match"),
        ([{"custom_id": "a"}], "requests.0.params: Field required"),
        ([{"params": {}}], "requests.0.custom_id: Field required"),
        ([item("a") | {"more": 1}], "requests.0.more: Extra inputs"),
        (["a"], "requests.0: Input should be an object"),
    ],
)
def test_bad_batches_are_rejected_at_once(
    server: Rehearsal, bare: Bare, requests: list[Json], message: str
) -> None:
    before = server.ledger()
    answer = bare.create(*requests)
    after = server.ledger()

    assert answer.status == 400
    assert answer.error["type"] == "invalid_request_error"
    assert message in str(answer.error["message"])
    assert after["batches"] == before["batches"]
    assert cast(int, after["posts"]) == cast(int, before["posts"]) + 1


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"{}",
        b"[]",
        b'{"requests":{}}',
        b'{"requests":[],"more":1}',
        b'{"more":1}',
        b'{"requests":[{"custom_id":"a","params":{}},]}',
        b'{"requests":[{"custom_id":"a","params":{}}]}x',
        b'{"requests":[{"custom_id":"a","params":{"x":NaN}}]}',
        b'{"requests":[{"custom_id":"a","params":\xff}]}',
    ],
)
def test_a_body_that_is_not_a_batch_is_rejected(bare: Bare, body: bytes) -> None:
    assert bare.call("POST", BATCHES, body).status == 400


def test_a_too_large_body_is_rejected_by_a_proxy(server: Rehearsal, bare: Bare) -> None:
    before = server.ledger()["batches"]
    answer = bare.create(item("a", "x" * 100_000))

    assert answer.status == 413
    assert answer.body.startswith(b"<html>")
    assert server.ledger()["batches"] == before


def test_a_full_queue_rejects_batches(server: Rehearsal, bare: Bare) -> None:
    assert bare.create(*items(20)).status == 200
    assert bare.create(*items(20)).status == 200
    answer = bare.create(*items(20))

    assert answer.status == 429
    assert answer.error["type"] == "rate_limit_error"
    assert int(answer.headers["retry-after"]) > 0
    server.advance(100)
    assert bare.create(*items(20)).status == 200
