"""Simulated faults: each acts as declared, once, and appears in the ledger."""

from __future__ import annotations

import http.client
import json
from time import sleep
from typing import cast

import anthropic
import pytest
from anthropic import Anthropic
from anthropic.types.messages.batch_create_params import Request

from compiler.keys import Json
from compiler.rehearsal.process import Rehearsal
from tests.rehearsal.conftest import BATCHES, Bare, ended, item, items

DAY = 86_400.0


def created(server: Rehearsal) -> list[dict[str, Json]]:
    return cast(list[dict[str, Json]], server.ledger()["batches"])


def fault(server: Rehearsal, at: str, do: Json, **more: Json) -> None:
    server.faults([{"at": at, "do": do, **more}])


def results(bare: Bare, batch: str) -> dict[str, dict[str, Json]]:
    lines = bare.lines(batch)
    return {str(line["custom_id"]): cast(dict[str, Json], line["result"]) for line in lines}


@pytest.mark.parametrize(
    ("do", "landed"),
    [
        ({"drop": "before_read"}, 0),
        ({"drop": "after_commit"}, 1),
        ({"hang": 0.05, "then": "drop"}, 1),
    ],
)
def test_a_dropped_create_may_create_a_batch(
    server: Rehearsal, bare: Bare, do: Json, landed: int
) -> None:
    before = len(created(server))
    fault(server, "create", do)

    with pytest.raises((ConnectionError, http.client.HTTPException)):
        bare.create(*items(3))

    assert len(created(server)) == before + landed
    assert bare.create(item("a")).status == 200


def test_a_hanging_create_may_answer_late(server: Rehearsal, bare: Bare) -> None:
    fault(server, "create", {"hang": 0.05, "then": "answer"})

    assert bare.create(item("a")).status == 200


def test_a_read_timeout_leaves_a_batch_behind(server: Rehearsal, sdk: Anthropic) -> None:
    before = len(created(server))
    fault(server, "create", {"hang": 30})

    with pytest.raises(anthropic.APITimeoutError):
        sdk.with_options(timeout=0.3).messages.batches.create(requests=[cast(Request, item("a"))])

    # The client has stopped waiting, and the server may need a moment to create the batch.
    for _ in range(500):
        if len(created(server)) > before:
            break
        sleep(0.01)
    assert len(created(server)) == before + 1


@pytest.mark.parametrize("commit", [True, False])
def test_an_error_may_create_a_batch(server: Rehearsal, bare: Bare, commit: bool) -> None:
    before = len(created(server))
    fault(server, "create", {"status": 500, "commit": commit})

    answer = bare.create(item("a"))

    assert (answer.status, answer.error["type"]) == (500, "api_error")
    assert len(created(server)) == before + commit


@pytest.mark.parametrize(
    ("at", "method", "path"),
    [
        ("create", "POST", BATCHES),
        ("list", "GET", BATCHES),
        ("retrieve", "GET", f"{BATCHES}/x"),
        ("results", "GET", f"{BATCHES}/x/results"),
        ("cancel", "POST", f"{BATCHES}/x/cancel"),
        ("delete", "DELETE", f"{BATCHES}/x"),
        ("messages", "POST", "/v1/messages"),
        ("count_tokens", "POST", "/v1/messages/count_tokens"),
        ("models", "GET", "/v1/models/x"),
    ],
)
def test_every_call_can_fail_with_any_body(
    server: Rehearsal, bare: Bare, at: str, method: str, path: str
) -> None:
    body: Json = {"type": "error", "error": {"type": "x", "details": {"error_code": "y"}}}
    server.faults(
        [
            {"at": at, "do": {"status": 529, "headers": {"retry-after": "3600"}}},
            {"at": at, "do": {"status": 429, "json": body}},
            {"at": at, "do": {"status": 502, "html": "<p>bad gateway</p>"}},
        ]
    )

    first, second, third = (bare.call(method, path, {}) for _ in range(3))

    assert (first.status, first.error["type"]) == (529, "overloaded_error")
    assert first.headers["retry-after"] == "3600"
    assert (second.status, second.json) == (429, body)
    assert (third.status, third.body) == (502, b"<p>bad gateway</p>")
    assert third.headers["content-type"] == "text/html"


def test_a_delayed_call_succeeds(server: Rehearsal, bare: Bare) -> None:
    fault(server, "models", {"delay": 0.05})

    assert bare.call("GET", "/v1/models").status == 200


def test_rules_have_skips_counts_and_batches(server: Rehearsal, bare: Bare) -> None:
    first, second = (str(bare.create(item("a")).json["id"]) for _ in range(2))
    index = next(b["index"] for b in created(server) if b["id"] == second)
    server.faults(
        [{"at": "retrieve", "skip": 1, "times": 2, "batch": index, "do": {"status": 404}}]
    )
    server.faults([{"at": "list", "times": -1, "do": {"status": 500}}], append=True)

    assert [bare.call("GET", f"{BATCHES}/{first}").status for _ in range(3)] == [200] * 3
    statuses = [bare.call("GET", f"{BATCHES}/{second}").status for _ in range(4)]
    assert statuses == [200, 404, 404, 200]
    assert [bare.call("GET", BATCHES).status for _ in range(3)] == [500] * 3
    assert [rule.get("times", 1) for rule in server.faults_left()] == [0, -1]


def test_a_hidden_batch_is_listed_later(server: Rehearsal, bare: Bare) -> None:
    fault(server, "create", {"hide": 90})
    batch = bare.create(item("a")).json["id"]

    def listed() -> bool:
        data = cast(list[dict[str, Json]], bare.call("GET", BATCHES).json["data"])
        return batch in [entry["id"] for entry in data]

    assert not listed()
    assert bare.call("GET", f"{BATCHES}/{batch}").status == 200
    server.advance(89)
    assert not listed()
    server.advance(1)
    assert listed()


def test_a_slow_batch_expires_and_a_stuck_one_does_not(server: Rehearsal, bare: Bare) -> None:
    server.faults(
        [
            {"at": "create", "do": {"slow": 4 * DAY}},
            {"at": "create", "do": {"slow": None}},
        ]
    )
    slow, stuck = (str(bare.create(*items(4)).json["id"]) for _ in range(2))
    server.advance(DAY + 1)

    entry = bare.call("GET", f"{BATCHES}/{slow}").json
    assert entry["processing_status"] == "ended"
    assert sorted(str(r["type"]) for r in results(bare, slow).values()) == [
        *["expired"] * 3,
        "succeeded",
    ]
    assert bare.call("GET", f"{BATCHES}/{stuck}").json["processing_status"] == "in_progress"
    assert bare.call("POST", f"{BATCHES}/{stuck}/cancel").status == 200
    server.advance(0)
    assert {r["type"] for r in results(bare, stuck).values()} == {"canceled"}


@pytest.mark.parametrize(("foreign", "n"), [({}, 3), ({"n": 7}, 7), ({"like": "same_count"}, 3)])
def test_a_third_party_batch_comes_before_ours(
    server: Rehearsal, bare: Bare, foreign: Json, n: int
) -> None:
    fault(server, "create", {"foreign": foreign})
    ours = str(bare.create(*items(3)).json["id"])
    theirs = created(server)[-2]
    billed = cast(int, server.ledger()["requests"])
    server.advance(100)

    assert (theirs["foreign"], theirs["index"], theirs["n"]) == (True, None, n)
    assert created(server)[-1]["id"] == ours
    lines = results(bare, str(theirs["id"]))
    assert len(lines) == n
    assert not {"id-0", "id-1", "id-2"} & set(lines)
    assert cast(int, server.ledger()["requests"]) == billed + 3


def test_a_third_party_batch_can_be_added_at_any_time(server: Rehearsal, bare: Bare) -> None:
    server.add_foreign(4)

    assert (created(server)[-1]["n"], created(server)[-1]["foreign"]) == (4, True)


def test_fields_of_a_batch_can_be_wrong(server: Rehearsal, bare: Bare) -> None:
    batch = bare.create(item("a")).json["id"]
    elsewhere: Json = {"processing_status": "paused", "results_url": "http://127.0.0.2/x"}
    fault(server, "retrieve", {"fields": elsewhere})

    lie = bare.call("GET", f"{BATCHES}/{batch}").json
    truth = bare.call("GET", f"{BATCHES}/{batch}").json

    assert (lie["processing_status"], lie["results_url"]) == ("paused", "http://127.0.0.2/x")
    assert (truth["processing_status"], truth["results_url"]) == ("in_progress", None)


def test_lists_can_be_endless(server: Rehearsal, bare: Bare) -> None:
    bare.create(item("a"))
    newest = bare.create(item("b")).json["id"]
    server.faults(
        [
            {"at": "list", "do": {"ignore_after_id": True}},
            {"at": "list", "do": {"empty_has_more": True}},
        ]
    )

    circle = bare.call("GET", f"{BATCHES}?limit=1&after_id={newest}").json
    empty = bare.call("GET", f"{BATCHES}?limit=1").json

    assert circle["first_id"] == newest
    assert (empty["data"], empty["has_more"]) == ([], True)


def test_results_truncated_between_lines_end_silently(server: Rehearsal, bare: Bare) -> None:
    batch = ended(server, bare, *items(5))
    fault(server, "results", {"truncate": {"lines": 3}})

    assert len(bare.lines(batch)) == 3
    assert len(bare.lines(batch)) == 5


def test_results_truncated_within_a_line_may_end_silently(server: Rehearsal, bare: Bare) -> None:
    batch = ended(server, bare, *items(5))
    fault(server, "results", {"truncate": {"bytes": 700, "mode": "close"}})

    assert len(bare.call("GET", f"{BATCHES}/{batch}/results").body) == 700


@pytest.mark.parametrize("mode", ["length", "chunked"])
def test_results_can_be_shorter_than_announced(server: Rehearsal, bare: Bare, mode: str) -> None:
    batch = ended(server, bare, *items(5))
    fault(server, "results", {"truncate": {"bytes": 700, "mode": mode}})

    with pytest.raises(http.client.IncompleteRead):
        bare.lines(batch)


def test_results_can_be_transformed(server: Rehearsal, bare: Bare) -> None:
    server.faults([{"at": "request", "do": {"text": "two words"}}])
    batch = ended(server, bare, *items(4))
    plain = bare.call("GET", f"{BATCHES}/{batch}/results").body
    lines = plain.splitlines(keepends=True)

    def transformed(*names: str) -> bytes:
        fault(server, "results", {"transform": [*names]})
        return bare.call("GET", f"{BATCHES}/{batch}/results").body

    assert transformed("shuffle") == b"".join(reversed(lines))
    assert transformed("duplicate") == lines[0] + plain
    assert transformed("blank_tail") == plain + b"\n"
    assert transformed("crlf") == plain.replace(b"\n", b"\r\n")
    assert transformed("drop_line") == b"".join(lines[:-1])
    assert transformed("foreign_line").startswith(plain)
    assert json.loads(transformed("foreign_line").splitlines()[-1])["custom_id"] == "not-yours"
    assert "two\u2028words".encode() in transformed("u2028")
    assert len(transformed("long_line")) > 5_000_000
    assert transformed("crlf", "duplicate", "blank_tail").count(b"\r\n") == 5


def test_single_requests_can_have_every_result(server: Rehearsal, bare: Bare) -> None:
    overloaded: Json = {"type": "overloaded_error", "message": "Overloaded"}
    ways: list[Json] = [
        {"errored": overloaded},
        {"errored": overloaded, "flat": True},
        {"expired": True},
        {"canceled": True},
        {"unknown": "paused"},
        {"stop_reason": "refusal", "text": ""},
        {"stop_reason": "max_tokens", "text": "cut"},
        {"text": "said"},
    ]
    server.faults([{"at": "request", "index": [n], "do": do} for n, do in enumerate(ways)])
    batch = ended(server, bare, *items(9))
    found = results(bare, batch)

    assert found["id-0"]["error"] == {"type": "error", "error": overloaded, "request_id": None}
    assert found["id-1"]["error"] == overloaded
    kinds = [found[f"id-{n}"]["type"] for n in range(2, 5)]
    assert kinds == ["expired", "canceled", "paused"]
    messages = [cast(dict[str, Json], found[f"id-{n}"]["message"]) for n in range(5, 9)]
    assert [message["stop_reason"] for message in messages] == [
        "refusal",
        "max_tokens",
        "end_turn",
        "end_turn",
    ]
    texts = [cast(list[dict[str, str]], m["content"])[0]["text"] for m in messages]
    assert texts == ["", "cut", "said", "0.5"]
    assert created(server)[-1]["billed_requests"] == 4
    assert created(server)[-1]["counts"] == {
        "processing": 0,
        "succeeded": 4,
        "errored": 3,
        "canceled": 1,
        "expired": 1,
    }


def test_request_rules_count_batches(server: Rehearsal, bare: Bare) -> None:
    fault(server, "request", {"expired": True}, skip=1)
    batches = [ended(server, bare, *items(3)) for _ in range(3)]

    kinds = [{r["type"] for r in results(bare, batch).values()} for batch in batches]
    assert kinds == [{"succeeded"}, {"expired"}, {"succeeded"}]


def test_a_rule_can_apply_to_a_share_of_the_requests(server: Rehearsal, bare: Bare) -> None:
    server.faults(
        [
            {"at": "request", "share": 0.5, "do": {"expired": True}},
            {"at": "request", "share": 1.0, "do": {"canceled": True}},
        ]
    )
    kinds = [r["type"] for r in results(bare, ended(server, bare, *items(20))).values()]

    assert set(kinds) == {"expired", "canceled"}
