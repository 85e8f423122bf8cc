"""The server's API as seen by the real SDK with strict validation of responses."""

from __future__ import annotations

import json
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import cast

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types.messages import MessageBatch
from anthropic.types.messages.batch_create_params import Request

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.rehearsal.process import Rehearsal
from tests.rehearsal.conftest import BATCHES, LATENCY, Bare, ended, item, items, params

MODEL = "claude-haiku-4-5"
LONG = "word " * 4000


def requests(n: int) -> list[Request]:
    return cast(list[Request], items(n))


def test_a_message_has_text_and_usage(sdk: Anthropic) -> None:
    message = sdk.messages.create(
        model=MODEL,
        max_tokens=4000,
        system="a system text",
        messages=[{"role": "user", "content": [{"type": "text", "text": "and a question"}]}],
    )

    assert [block.type for block in message.content] == ["text"]
    assert message.stop_reason == "end_turn"
    assert message.usage.input_tokens == len("a system text" + "and a question") // 4
    assert message.usage.service_tier == "standard"
    assert message._request_id


def test_a_streamed_message_is_the_same_message(sdk: Anthropic) -> None:
    with sdk.messages.stream(
        model=MODEL,
        max_tokens=30_000,
        thinking={"type": "enabled", "budget_tokens": 1024},
        messages=[{"role": "user", "content": "think"}],
    ) as stream:
        message = stream.get_final_message()

    assert [block.type for block in message.content] == ["thinking", "text"]
    assert message.stop_reason == "end_turn"
    details = message.usage.output_tokens_details
    assert details is not None
    assert message.usage.output_tokens >= details.thinking_tokens > 0


def test_tokens_are_counted(sdk: Anthropic) -> None:
    messages: list[anthropic.types.MessageParam] = [{"role": "user", "content": "x" * 40}]

    assert sdk.messages.count_tokens(model=MODEL, messages=messages).input_tokens == 10


def test_models_are_listed_and_found(sdk: Anthropic) -> None:
    assert {"extractive-4", "another-model", MODEL} <= {model.id for model in sdk.models.list()}
    assert sdk.models.retrieve("another-model").id == "another-model"
    with pytest.raises(anthropic.NotFoundError):
        sdk.models.retrieve("no-model")


def test_a_batch_goes_from_created_to_deleted(server: Rehearsal, sdk: Anthropic) -> None:
    batch = sdk.messages.batches.create(requests=requests(5))
    assert batch.processing_status == "in_progress"
    assert batch.request_counts.processing == 5
    assert batch.results_url is None
    assert (batch.expires_at - batch.created_at).total_seconds() == 86_400

    server.advance(LATENCY)
    batch = sdk.messages.batches.retrieve(batch.id)
    assert batch.processing_status == "ended"
    assert batch.request_counts.succeeded == 5
    assert batch.request_counts.processing == 0
    assert batch.results_url == f"{server.base_url}{BATCHES}/{batch.id}/results"

    seen = {}
    for line in sdk.messages.batches.results(batch.id):
        assert line.result.type == "succeeded"
        assert line.result.message.usage.service_tier == "batch"
        seen[line.custom_id] = line.result.message
    assert len(seen) == 5

    assert sdk.messages.batches.delete(batch.id).type == "message_batch_deleted"
    with pytest.raises(anthropic.NotFoundError):
        sdk.messages.batches.retrieve(batch.id)


def test_results_are_shuffled_jsonl(server: Rehearsal, bare: Bare) -> None:
    batch = ended(server, bare, *items(20))
    answer = bare.call("GET", f"{BATCHES}/{batch}/results")
    order = [line["custom_id"] for line in bare.lines(batch)]

    assert answer.headers["content-type"] == "application/x-jsonl"
    assert sorted(order, key=str) == sorted(f"id-{n}" for n in range(20))
    assert order != [f"id-{n}" for n in range(20)]


def test_lists_page_in_both_directions(server: Rehearsal, sdk: Anthropic) -> None:
    ids = [sdk.messages.batches.create(requests=requests(1)).id for _ in range(5)]

    page = sdk.messages.batches.list(limit=2)
    assert [batch.id for batch in page.data] == [ids[4], ids[3]]
    assert page.has_more
    assert (page.first_id, page.last_id) == (ids[4], ids[3])
    older = sdk.messages.batches.list(limit=2, after_id=ids[3])
    assert [batch.id for batch in older.data] == [ids[2], ids[1]]
    newer = sdk.messages.batches.list(limit=2, before_id=ids[1])
    assert [batch.id for batch in newer.data] == [ids[3], ids[2]]
    everything = [batch.id for batch in sdk.messages.batches.list(limit=2)]
    assert everything[:5] == ids[::-1]
    assert len(everything) == len(set(everything))


@pytest.mark.parametrize("query", ["limit=0", "limit=1001", "limit=x", "after_id=msgbatch_no"])
def test_a_bad_page_is_rejected(bare: Bare, query: str) -> None:
    assert bare.call("GET", f"{BATCHES}?{query}").status == 400


def test_cancel_keeps_finished_requests(server: Rehearsal, sdk: Anthropic) -> None:
    batch = sdk.messages.batches.create(requests=requests(10))
    server.advance(LATENCY * 0.35)

    canceled = sdk.messages.batches.cancel(batch.id)
    assert canceled.processing_status == "canceling"
    assert canceled.cancel_initiated_at is not None
    server.advance(0)
    batch = sdk.messages.batches.retrieve(batch.id)
    assert batch.processing_status == "ended"
    assert (batch.request_counts.succeeded, batch.request_counts.canceled) == (3, 7)
    kinds = [line.result.type for line in sdk.messages.batches.results(batch.id)]
    assert sorted(kinds) == ["canceled"] * 7 + ["succeeded"] * 3
    with pytest.raises(anthropic.BadRequestError):
        sdk.messages.batches.cancel(batch.id)


def test_an_open_batch_has_no_results_and_cannot_be_deleted(sdk: Anthropic, bare: Bare) -> None:
    batch = sdk.messages.batches.create(requests=requests(1))

    assert bare.call("GET", f"{BATCHES}/{batch.id}/results").status == 404
    with pytest.raises(anthropic.BadRequestError):
        sdk.messages.batches.delete(batch.id)


def test_results_are_archived_after_29_days(server: Rehearsal, sdk: Anthropic, bare: Bare) -> None:
    batch = ended(server, bare, item("a"))
    server.advance(29 * 86_400)

    archived = sdk.messages.batches.retrieve(batch)
    assert archived.archived_at is not None
    assert (archived.archived_at - archived.created_at).days == 29
    assert archived.results_url is None
    assert bare.call("GET", f"{BATCHES}/{batch}/results").status == 404


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"x_api_key": None}, 401),
        ({"x_api_key": None, "authorization": "Bearer test"}, 200),
        ({}, 200),
        ({"anthropic_version": None}, 400),
    ],
)
def test_both_kinds_of_key_header_are_accepted(
    bare: Bare, headers: dict[str, str | None], status: int
) -> None:
    answer = bare.call("GET", "/v1/models", **headers)

    assert answer.status == status
    assert answer.headers["request-id"].startswith("req_")
    if status == 401:
        assert answer.json["type"] == "error"
        assert answer.error["type"] == "authentication_error"
        assert answer.json["request_id"] == answer.headers["request-id"]


def test_the_date_header_follows_the_servers_clock(server: Rehearsal, bare: Bare) -> None:
    date = parsedate_to_datetime(bare.call("GET", "/v1/models").headers["date"])

    assert abs(date.timestamp() - server.now()) < 1


def test_an_unknown_route_is_not_found(bare: Bare) -> None:
    assert bare.call("GET", "/v1/nothing").error["type"] == "not_found_error"
    assert bare.call("GET", "/_ctl/nothing").status == 404


def test_a_chunked_body_is_accepted(server: Rehearsal, sdk: Anthropic, bare: Bare) -> None:
    body = json.dumps({"requests": items(3)}).encode()
    pieces = iter([body[:10], body[10:200], body[200:]])

    batch = sdk.post(
        BATCHES,
        content=pieces,
        cast_to=MessageBatch,
        options={"headers": {"Content-Type": "application/json"}},
    )

    assert batch.request_counts.processing == 3


def test_a_long_marked_prefix_is_cached_and_then_read(server: Rehearsal, bare: Bare) -> None:
    system: Json = [
        {"type": "text", "text": LONG, "cache_control": {"type": "ephemeral", "ttl": "1h"}}
    ]
    requests = [item(name, name, system=system) for name in ("a", "b")]
    batch = ended(server, bare, *requests)

    usages = {}
    for line in bare.lines(batch):
        result = cast(dict[str, dict[str, dict[str, int]]], line["result"])
        usages[line["custom_id"]] = result["message"]["usage"]
    assert usages["a"]["cache_creation_input_tokens"] == len(LONG) // 4
    assert usages["a"]["cache_read_input_tokens"] == 0
    assert usages["b"]["cache_read_input_tokens"] == len(LONG) // 4
    assert usages["b"]["input_tokens"] == 0


def test_equal_params_get_a_new_sample_each_time(tmp_path: Path) -> None:
    """Count earlier replies only, live or in a batch; long replies are truncated."""
    prompt = "<reference>\nThe cat sat.\n</reference>"
    with Rehearsal.start(tmp_path, speed=0) as server:
        bare = Bare(server.base_url)
        live = bare.call("POST", "/v1/messages", params(prompt))
        twice = bare.create(item("a", prompt), item("b", prompt))
        server.advance(LATENCY)
        lines = bare.lines(twice.json["id"])
        answered = cast(dict[str, int], server.ledger()["answered"])
        cut = bare.call("POST", "/v1/messages", params("no tag", max_tokens=5)).json

    results = [cast(dict[str, dict[str, Json]], line["result"]) for line in lines]
    ids = {live.json["id"], *(result["message"]["id"] for result in results)}
    assert len(ids) == 3
    assert list(answered.values()) == [3]
    assert cut["stop_reason"] == "max_tokens"
    assert cast(dict[str, int], cut["usage"])["output_tokens"] == 5


def test_a_rejected_control_call_is_an_error(server: Rehearsal) -> None:
    with pytest.raises(ProviderError, match="refused faults"):
        server.faults([{"at": "nowhere", "do": {}}])


def test_a_server_that_cannot_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ProviderError, match="did not start"):
        Rehearsal.start(tmp_path, no_such_option=True)
