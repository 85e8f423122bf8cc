"""State that survives a kill of the server, and the contents of its ledger."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import cast

import pytest

from compiler.keys import Json, canonical
from compiler.rehearsal import bodies
from compiler.rehearsal.process import Rehearsal
from tests.rehearsal.conftest import BATCHES, LATENCY, Bare, item, items, params


def test_a_killed_server_resumes_with_its_state(tmp_path: Path) -> None:
    with Rehearsal.start(tmp_path, echo=True, speed=0, latency=LATENCY) as server:
        bare = Bare(server.base_url)
        first = bare.create(*items(3)).json["id"]
        server.advance(LATENCY)
        done = bare.call("GET", f"{BATCHES}/{first}").json
        second = bare.create(*items(4)).json["id"]
        server.faults([{"at": "list", "times": 2, "do": {"status": 500}}])
        assert bare.call("GET", BATCHES).status == 500
        before, now, url = server.ledger(), server.now(), server.base_url

        server.kill()
        server.restart()

        assert server.base_url == url
        assert (server.ledger(), server.now()) == (before, now)
        assert [bare.call("GET", BATCHES).status for _ in range(2)] == [500, 200]
        assert bare.call("GET", f"{BATCHES}/{first}").json == done
        assert len(bare.lines(first)) == 3
        server.advance(LATENCY)
        assert len(bare.lines(second)) == 4


def test_a_batch_that_was_due_at_a_kill_is_answered_once(tmp_path: Path) -> None:
    with Rehearsal.start(tmp_path, echo=True, latency=0.0) as server:
        bare = Bare(server.base_url)
        batch = bare.create(*items(2000)).json["id"]
        server.kill()
        server.restart()
        server.advance(1)

        answered = cast(dict[str, int], server.ledger()["answered"])
        assert bare.call("GET", f"{BATCHES}/{batch}").json["processing_status"] == "ended"
        assert len(bare.lines(batch)) == 2000
        assert list(answered.values()) == [1] * 2000


def test_faults_of_the_command_line_apply_to_a_new_state_only(tmp_path: Path) -> None:
    rules = tmp_path / "rules.json"
    rules.write_text(json.dumps([{"at": "models", "do": {"status": 500}}]))
    with Rehearsal(tmp_path, ["--faults", str(rules)]) as server:
        bare = Bare(server.base_url)
        assert bare.call("GET", "/v1/models").status == 500
        server.restart()
        assert bare.call("GET", "/v1/models").status == 200


def test_the_ledger_records_created_and_billed_requests(server: Rehearsal, bare: Bare) -> None:
    before = server.ledger()
    given = params("ledger", thinking={"type": "disabled"})
    body = json.dumps({"requests": [item("a"), {"custom_id": "b", "params": given}]}).encode()
    bare.call("POST", BATCHES, body)
    bare.create()
    bare.call("POST", "/v1/messages", {**given, "stream": True})
    server.advance(LATENCY)
    after = server.ledger()

    def grown(name: str) -> float:
        return cast(float, after[name]) - cast(float, before[name])

    entry = cast(list[dict[str, Json]], after["batches"])[-1]
    assert entry["body_sha256"] == hashlib.sha256(body).hexdigest()
    assert (entry["n"], entry["bytes"], entry["billed_requests"]) == (2, len(body), 2)
    assert (entry["foreign"], entry["status"]) == (False, "ended")
    assert [grown(name) for name in ("posts", "messages", "requests")] == [2, 1, 3]
    assert [grown(name) for name in ("input_tokens", "output_tokens")] == [3, 0]
    # One token at the live price and two at half of it.
    assert grown("usd") == pytest.approx(2e-6)
    answered = cast(dict[str, int], after["answered"])
    assert answered[hashlib.sha256(canonical(given)).hexdigest()] == 2


def test_the_clock_runs_at_the_given_speed(tmp_path: Path) -> None:
    with Rehearsal.start(tmp_path, echo=True, speed=0) as server:
        before = server.now()
        server.advance(3600)
        assert server.now() == before + 3600
        server.advance(-7200)
        assert server.now() == before - 3600
        server.speed(100_000)
        assert server.now() > before - 3600


def test_requests_are_read_across_any_boundary(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    requests: list[Json] = [item(f"id-{n}", "é\u2028" * n, top_k=n) for n in range(40)]
    path = tmp_path / "body"
    path.write_text(json.dumps({"requests": requests}, ensure_ascii=False, indent=1))
    for size in (1, 2, 7, 100, 5000):
        monkeypatch.setattr(bodies, "_PIECE", size)
        assert list(bodies.items(path)) == requests
