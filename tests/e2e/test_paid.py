"""The paid path through the command line, with a rehearsal server."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from compiler.engine.lock import locked
from compiler.keys import Json
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec, installed
from tests.e2e.test_build import SPEC, dataset

MODEL = "claude-haiku-4-5-20251001"


@pytest.fixture
def server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forked_servers: None
) -> Iterator[Rehearsal]:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with Rehearsal.start(tmp_path / "server", latency=0.2) as found:
        yield found


def paid(server: Rehearsal, *more: str, provider: str = "anthropic-batch") -> list[str]:
    """Return the arguments of a spec in which the server's model plays all roles."""
    args = [SPEC, "--set", "budget.max_usd=50", "--set", "batches.poll_seconds=0.01"]
    for role in ("generator", "answerer", "judge"):
        for name, value in (
            ("provider", provider), ("model", MODEL), ("base_url", server.base_url),
        ):  # fmt: skip
            args += ["--set", f"models.{role}.{name}={value}"]
    return [*args, "--set", "models.answerer.concurrency=4", *more]


def ledger(server: Rehearsal) -> dict[str, Any]:
    return server.ledger()


@pytest.mark.parametrize("provider", ["anthropic-batch", "anthropic"])
def test_a_build_pays_for_every_request_once_and_its_ledger_agrees_with_the_server(
    provider: str, probec: Probec, project: Path, server: Rehearsal
) -> None:
    first = probec.json("build", *paid(server, provider=provider))
    again = probec.json("build", *paid(server, provider=provider))
    theirs = ledger(server)

    assert first["outputs"] == again["outputs"]
    assert again["up_to_date"]
    card = (installed(project) / "README.md").read_text(encoding="utf-8")
    roles = "answerer server default; generator server default; judge server default"
    assert f"Sampling: {roles}. Calibration level" in card
    money: Any = first["money"]
    assert sum(row["calls"] for row in money["spent"]) == theirs["requests"]
    assert money["usd"] == pytest.approx(theirs["usd"])
    assert {(row["role"], row["round"]) for row in money["spent"]} == {
        (role, n) for role in ("generator", "answerer", "judge") for n in (0, 1)
    }
    assert (len(theirs["batches"]) == 3) == (provider == "anthropic-batch")


def test_a_rebuild_without_artifacts_sends_nothing(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    first = probec.json("build", *paid(server))
    had = ledger(server)
    for name in ("objects", "steps", "heads", "datasets"):
        for path in sorted((project / "build" / name).rglob("*"), reverse=True):
            path.unlink() if path.is_file() else path.rmdir()
    # A budget of zero does not stop a build that costs nothing.
    second = probec.json("build", *paid(server), "--max-usd", "0")
    third = probec.json("build", *paid(server, provider="replay"), "--build-dir", "elsewhere")

    assert ledger(server) == had
    assert first["outputs"] == second["outputs"]
    # The card names the provider, which differs here.
    assert rows(first) == rows(third)


def rows(data: dict[str, Any]) -> dict[str, str]:
    return {step: digest for step, digest in data["outputs"].items() if "release" not in step}


def test_more_rollouts_send_only_new_requests_and_fewer_send_none(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    three = probec.json("build", *paid(server, "--set", "scoring.rollouts=3"))
    asked = ledger(server)["requests"]
    scored = stats(three)["cells"][-1]["scored"]
    five = probec.json("build", *paid(server, "--set", "scoring.rollouts=5"))
    more = ledger(server)["requests"]
    back = probec.json("build", *paid(server, "--set", "scoring.rollouts=3"))

    assert more - asked == 2 * 2 * scored
    assert ledger(server)["requests"] == more
    assert back["outputs"] == three["outputs"] != five["outputs"]


def stats(data: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = data["stats"]
    return found


def test_detached_batches_are_shown_and_collected_at_no_further_cost(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    for _ in range(3):
        assert probec("build", *paid(server), "--detach") == 75
        assert "run the same command again to collect" in probec.err
        assert probec("status", *paid(server)) == 0
        assert "in_progress" in probec.out
        assert "msgbatch_" in probec.out
        assert probec("status", *paid(server), "--poll", "--all") == 0
        assert "intent" in probec.out
        wait_for_end(server)
    done = probec.json("build", *paid(server))

    assert stats(done)["probes"] > 50
    assert [b["billed_requests"] for b in ledger(server)["batches"]] == [
        b["n"] for b in ledger(server)["batches"]
    ]
    assert probec("status", *paid(server)) == 0
    assert "no batches are open" in probec.out


def test_batches_of_another_spec_are_collected_without_that_spec(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    error: Json = {"type": "overloaded_error", "message": "busy"}
    server.faults([
        {"at": "create", "do": {"slow": 3600.0}},
        {"at": "request", "batch": 0, "index": [1], "do": {"errored": error}},
    ])  # fmt: skip
    assert probec("build", *paid(server), "--detach") == 75
    other = [SPEC, "--set", "name=other"]
    early: Any = probec.json("status", *other, "--collect")
    assert early["collected"] == {"batches": 0, "replies": 0, "unanswered": 0}
    assert [shard["state"] for shard in early["shards"]] == ["in_progress"]
    server.advance(4000)
    wait_for_end(server)
    # A spec without paid models, which knows neither the model nor the server.
    found: Any = probec.json("status", *other, "--collect")

    assert found["collected"] == {"batches": 1, "replies": 4, "unanswered": 1}
    assert found["shards"] == []
    assert found["money"]["usd"] == 0
    mine: Any = probec.json("status", *paid(server))
    assert sum(row["calls"] for row in mine["money"]["spent"]) == 5
    assert probec("status", *other, "--collect") == 0
    assert "collected 0 batches" in probec.out
    # The spec that sent the batch finds its replies, and sends the failed request again.
    assert probec("build", *paid(server), "--detach") == 75
    assert [batch["n"] for batch in ledger(server)["batches"]] == [5, 1]
    assert ledger(server)["messages"] == 1


def test_a_lower_budget_does_not_withhold_paid_replies(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    assert probec("build", *paid(server), "--detach") == 75
    wait_for_end(server)
    assert probec("build", *paid(server), "--max-usd", "0.01") == 3
    with sqlite3.connect(project / ".probec/responses.sqlite") as log:
        assert log.execute("select count(*) from reply").fetchone() == (6,)
    assert "no batches are open" in (probec("status", *paid(server)), probec.out)[1]


def test_a_request_in_a_batch_is_not_sent_live_or_to_another_server(
    probec: Probec, project: Path, server: Rehearsal, tmp_path: Path
) -> None:
    assert probec("build", *paid(server), "--detach") == 75
    had = ledger(server)["messages"]
    assert probec("build", *paid(server, provider="anthropic")) == 1
    assert f"is in an open batch at {server.base_url}" in probec.err
    assert "probec cancel" in probec.err
    assert ledger(server)["messages"] == had
    with Rehearsal.start(tmp_path / "other", latency=0.2) as other:
        assert probec("build", *paid(other)) == 1
        assert "is in an open batch at" in probec.err
        assert (ledger(other)["posts"], ledger(other)["messages"]) == (0, 0)
    assert stats(probec.json("build", *paid(server)))["probes"] > 50


def wait_for_end(server: Rehearsal) -> None:
    server.advance(5)
    assert ledger(server)["batches"][-1]["status"] == "ended"


def test_canceled_batches_keep_their_finished_requests(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults([{"at": "create", "do": {"slow": 3600.0}}])
    assert probec("build", *paid(server), "--detach") == 75
    assert probec("cancel", *paid(server)) == 0
    assert "canceling" in probec.out
    built = probec.json("build", *paid(server))

    assert stats(built)["probes"] > 50
    assert (
        sum(b["billed_requests"] for b in ledger(server)["batches"])
        == ledger(server)["requests"] - ledger(server)["messages"]
    )
    assert probec("cancel", *paid(server)) == 0
    assert "no batches are open" in probec.out


def test_cancel_beside_a_build_cancels_at_the_provider_and_tells_the_build(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults([{"at": "create", "do": {"slow": 3600.0}}])
    assert probec("build", *paid(server), "--detach") == 75
    with locked(project / ".probec/batches"):
        assert probec("cancel", *paid(server)) == 0
    assert "it sends nothing more, collects what has ended and stops" in probec.out
    assert ledger(server)["batches"][0]["status"] in ("canceling", "ended")
    with sqlite3.connect(project / ".probec/batches/journal.sqlite") as db:
        assert db.execute("select state from shard").fetchall() == [("in_progress",)]
    # Known to the next build, which is the user's decision.
    assert stats(probec.json("build", *paid(server)))["probes"] > 50


def test_a_canceled_request_is_sent_again_only_if_a_build_still_needs_it(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults([{"at": "create", "do": {"slow": 3600.0}}])
    assert probec("build", *paid(server), "--detach") == 75
    assert probec("cancel", *paid(server)) == 0
    system = project / "prompts/generator/base/system.j2"
    system.write_text(system.read_text() + "\nTake care.\n")
    built = probec.json("build", *paid(server))
    money: Any = built["money"]

    # One request of each prompt was sent live as the first of its shape; of the old one, no more.
    generated = sum(row["calls"] for row in money["spent"] if row["role"] == "generator")
    assert generated == stats(built)["documents"] + 1 == 7
    assert sum(row["calls"] for row in money["spent"]) == ledger(server)["requests"]


def test_retry_sends_truncated_requests_again(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults(
        [{"at": "request", "batch": 0, "index": [0, 2], "do": {"stop_reason": "max_tokens"}}]
    )
    probec.json("build", *paid(server))
    rejects = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8")
    assert "reply_truncated" in rejects
    before = ledger(server)["requests"]
    dry = probec.json("retry", *paid(server), "--reason", "truncated", "--dry-run")
    assert dry["retired"] == {"generate": 2}
    assert probec.json("build", *paid(server))["up_to_date"]

    assert probec("retry", *paid(server), "--reason", "truncated") == 0
    assert "2 replies (2 of generate) retired" in probec.out
    after = probec.json("build", *paid(server))
    rejects = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8")
    assert "reply_truncated" not in rejects
    assert stats(after)["build"]["planned"] == 96
    assert ledger(server)["requests"] > before
    with sqlite3.connect(project / ".probec/responses.sqlite") as log:
        assert log.execute("select count(*) from retired").fetchone() == (2,)
    assert probec("retry", *paid(server), "--reason", "truncated") == 0
    assert "no reply of this build ended as truncated" in probec.out


def test_replies_of_unfinished_stages_are_retried_too(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults(
        [{"at": "request", "batch": 0, "index": [0, 2], "do": {"stop_reason": "max_tokens"}},
         {"at": "request", "batch": 0, "index": [1], "do": {"stop_reason": "refusal"}}]
    )  # fmt: skip
    assert probec("build", *paid(server), "--detach") == 75
    wait_for_end(server)
    # Collected under a budget that ends the build: the replies are logged, and no step is done.
    assert probec("build", *paid(server), "--max-usd", "0.01") == 3
    sampled = set((project / "build").rglob("*"))
    both = ("--reason", "truncated", "--reason", "refused")
    dry = probec.json("retry", *paid(server), *both, "--dry-run")
    assert dry["retired"] == {"generate": 3}
    assert dry["unseen_steps"] == 6
    assert probec("retry", *paid(server), "--reason", "truncated") == 0
    assert "2 replies (2 of generate) retired" in probec.out
    assert "6 steps wait for others" in probec.out
    assert set((project / "build").rglob("*")) == sampled
    built = probec.json("build", *paid(server))
    rejects = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8")
    assert "reply_truncated" not in rejects
    assert "reply_refused" in rejects
    assert stats(built)["build"]["planned"] == 96


def test_an_unusable_reply_is_retried_before_and_after_its_stage_is_finished(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    def spoil(text: str) -> None:
        """Replace a logged reply with text that no rule of the server produces."""
        log = ResponseLog(project / ".probec/responses.sqlite")
        with sqlite3.connect(log.path) as db:
            (key,) = db.execute("select key from reply order by id limit 1").fetchone()
        old = log.get(key.hex())
        assert old is not None
        log.retire([key.hex()])
        log.put(key.hex(), replace(old, text=text))
        log.close()

    assert probec("build", *paid(server), "--detach") == 75
    spoil("I would rather not.")
    found = probec.json("retry", *paid(server), "--reason", "unparsed", "--dry-run")
    assert found["retired"] == {"generate": 1}
    found = probec.json("retry", *paid(server), "--reason", "invalid", "--dry-run")
    assert found["retired"] == {}
    wait_for_end(server)
    assert probec("retry", *paid(server), "--reason", "unparsed") == 0
    probec.json("build", *paid(server))
    rejects = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8")
    assert "reply_unparsed" not in rejects
    spoil('{"sibling": 99}')
    found = probec.json("retry", *paid(server), "--reason", "invalid", "--dry-run")
    assert found["retired"] == {"generate": 1}


def test_a_failed_request_is_a_reject_with_its_reason(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    error: Json = {"type": "invalid_request_error", "message": "prompt is too long"}
    server.faults([{"at": "request", "batch": 0, "index": [1], "do": {"errored": error}}])
    probec.json("build", *paid(server))
    rejects = [
        json.loads(line) for line in (installed(project) / "rejects.jsonl").read_text().splitlines()
    ]
    lost = [each for each in rejects if each["reason"] == "reply_errored"]

    document = lost[0]["doc_id"]
    built = {(row["doc_id"] == document, row["split_by"]) for row in dataset(project)}
    assert len(lost) == 6
    assert "prompt is too long" in lost[0]["detail"]
    assert built == {(True, "row_seed"), (False, "generator")}
    assert probec("retry", *paid(server), "--reason", "errored") == 0
    assert stats(probec.json("build", *paid(server)))["probes"] > 80


def test_the_plan_counts_new_and_logged_requests(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    fresh: Any = probec.json("plan", *paid(server))["price"]
    probec.json("build", *paid(server))
    sent = ledger(server)
    more = paid(server, "--set", "scoring.rollouts=7")
    grown: Any = probec.json("plan", *more)["price"]
    probec.json("build", *more)
    extra = ledger(server)["requests"] - sent["requests"]

    assert {e["basis"] for e in fresh["estimates"]} == {"estimated"}
    answer = [e for e in grown["estimates"] if e["stage"] == "answer"]
    assert {e["basis"] for e in answer} == {"counted"}
    assert sum(e["calls"] for e in answer) == extra / 2
    assert sum(e["cached"] for e in answer) == 5 * extra / 4
    assert grown["usd_low"] < grown["usd"] < grown["usd_high"]
    judge: Any = probec.json("plan", *paid(server, "--set", "scoring.compare=target_response"))
    counted = [e for e in judge["price"]["estimates"] if e["stage"] == "judge"]
    assert {e["basis"] for e in counted} == {"counted"}
    probec.json("build", *paid(server, "--set", "scoring.compare=target_response"))
    total = sum(e["calls"] for e in counted)
    assert ledger(server)["requests"] == sent["requests"] + extra + total
    # The server received exactly the bytes that were counted.
    last = ledger(server)["batches"][-1]
    assert last["bytes"] > sum(e["bytes"] for e in counted)


def test_the_plan_lists_requests_in_flight_separately_and_prices_them_once(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults([{"at": "create", "do": {"slow": 3600.0}}])
    assert probec("build", *paid(server), "--detach") == 75
    flying: Any = probec.json("plan", *paid(server))["price"]
    (generate,) = (e for e in flying["estimates"] if e["stage"] == "generate")

    # Six documents: one was sent live first and is in the log, the others are in the batch.
    assert (generate["cached"], generate["in_flight"], generate["calls"]) == (1, 5, 0)
    assert (generate["usd"], generate["bytes"], generate["input_tokens"]) == (0, 0, 0)
    assert flying["in_flight"] == 5
    assert flying["in_flight_usd"] == generate["in_flight_usd"] > 0
    assert flying["batches"].keys() == {"answer", "judge"}
    assert probec("plan", *paid(server)) == 0
    assert "in flight: 5 requests in open batches" in probec.out
    # A pass cannot be counted without artifacts, but its requests in flight are reported.
    assert probec("plan", *paid(server), "--build-dir", "elsewhere") == 0
    assert "generator: 5 requests in open batches cannot be matched yet" in probec.out


def test_the_budget_stops_a_pass_before_its_first_request(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    assert probec("build", *paid(server), "--max-usd", "0.05") == 3
    assert "none of them was sent" in probec.err
    assert (ledger(server)["posts"], ledger(server)["messages"]) == (0, 0)
    # The generator alone is within the budget; together with the later passes, it is not.
    alone = 6 * (7000 * 0.5 + 10500 * 2.5) / 1e6
    assert probec("build", *paid(server), "--max-usd", str(alone * 1.2)) == 3
    assert "in later passes" in probec.err
    assert ledger(server)["messages"] == 0
    # The same documents in other rounds cost the same.
    rounds = ("--set", "rounds=[{docs: 2}, {docs: 2}, {docs: 2}]")
    assert probec("build", *paid(server, *rounds), "--max-usd", str(alone * 1.2)) == 3
    assert ledger(server)["messages"] == 0


def test_a_sweep_is_checked_against_the_budget_at_its_announced_cost(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    """Include the baseline that a sweep adds."""
    sweep = [*paid(server), "--levels=0..1", "--docs", "4"]
    cost: Any = probec.json("calibrate", *sweep, "--dry-run")["usd"]
    assert probec("calibrate", *sweep, "--max-usd", str(0.98 * cost)) == 3
    assert "in later passes" in probec.err
    assert (ledger(server)["posts"], ledger(server)["messages"]) == (0, 0)


def test_a_waiting_build_reports_the_reason(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    busy: Json = {"status": 429, "headers": {"retry-after": "1"}}
    server.faults([
        {"at": "create", "do": busy},
        {"at": "retrieve", "do": {"status": 503}, "times": 2},
        {"at": "results", "do": {"truncate": {"lines": 3, "mode": "close"}}},
    ])  # fmt: skip
    assert probec("build", *paid(server)) == 0
    assert "generate: refused, waiting 1 s: HTTP 429" in probec.err
    assert "generate: no response: HTTP 503" in probec.err
    assert "generate: incomplete: only 3 of 5 succeeded results" in probec.err


def test_status_shows_the_reason_and_end_of_a_batchs_wait(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults([{"at": "create", "do": {"status": 429, "headers": {"retry-after": "700"}}}])
    assert probec("build", *paid(server), "--detach") == 75
    assert probec("status", *paid(server)) == 0
    assert "refused, waiting 700 s: HTTP 429" in probec.out
    assert "in 11 min" in probec.out


def test_the_budget_uses_the_observed_cost_of_earlier_replies_as_the_plan_does(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    probec.json("build", *paid(server, "--set", "scoring.rollouts=3"))
    dear = ("--set", "expect.answerer={input: 1300000, output: 80000}")
    more = paid(server, "--set", "scoring.rollouts=4", *dear)

    def answers(*options: str) -> dict[str, Any]:
        price: Any = probec.json("plan", *more, *options)["price"]
        (first, *_) = (e for e in price["estimates"] if e["stage"] == "answer")
        return {**first, "all": price["usd"]}

    # Declared: about 0.85 dollars a call. Observed, by plan and budget: a thousandth of that.
    measured = answers()
    assert (measured["tokens"], measured["all"] < 1) == ("measured", True)
    named = answers("--set", "expect.sets.dear={}", "--set", "expect.use=dear")
    assert (named["tokens"], named["all"] > 1) == ("bytes", True)
    (project / "build/usage/tiny.json").unlink()
    assert answers()["tokens"] == "observed"
    price: Any = probec.json("plan", *more)["price"]
    assert price["usd"] < 1
    assert probec("build", *more, "--max-usd", "2") == 0
    assert probec("build", *paid(server, "--set", "scoring.rollouts=5"), "--max-usd",
                  str(price["usd"] / 10)) == 3  # fmt: skip


def test_structured_replies_and_cached_prompts_are_sent_and_priced(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    options = ("--set", "models.generator.structured=true", "--set", "models.generator.cache=1h")
    probec.json("build", *paid(server))
    before = ledger(server)["requests"]
    assert probec("plan", *paid(server, *options)) == 0
    assert "`cache` has no effect" in probec.out
    built = probec.json("build", *paid(server, *options))

    assert ledger(server)["requests"] > before
    assert stats(built)["probes"] > 50
    wrong = paid(server, "--set", "models.judge.structured=true")
    assert probec("check", *wrong) == 2
    assert "only the generator's replies have a schema" in probec.err


def test_the_card_counts_cached_tokens_and_names_two_prices_of_one_model(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    system = project / "prompts/answerer/base/system.j2"
    system.write_text(system.read_text() + "Be brief and exact. " * 1000)
    options = ("--set", "models.answerer.cache=1h", "--set", "models.judge.provider=anthropic")
    built = probec.json("build", *paid(server, *options))
    used = {each["stage"]: each for each in stats(built)["build"]["usage"]}
    money: Any = built["money"]

    assert used["answer"]["cache_write_tokens"] > 4096
    assert used["answer"]["cache_read_tokens"] > used["answer"]["cache_write_tokens"]
    assert used["judge"]["cache_read_tokens"] == 0
    for name in ("input_tokens", "cache_write_tokens", "cache_read_tokens", "output_tokens"):
        assert sum(each[name] for each in used.values()) == sum(r[name] for r in money["spent"])
    assert used["judge"]["usd"] == pytest.approx(paid_for(money, "judge"))
    # The first request of a shape was sent live, at twice the card's price of a token.
    assert 0.8 < used["answer"]["usd"] / paid_for(money, "answerer") < 1

    card = (installed(project) / "README.md").read_text()
    assert "| tokens in | to cache | from cache | tokens out | US$ |" in card
    assert f"{MODEL} as answerer; $1 to the provider's prompt cache and $0.05 from it" in card
    assert f"$1.0 in and $5.0 out per million tokens ({MODEL} as judge)" in card
    assert probec("card", str(installed(probec.root)), "--check") == 0
    # The budget uses the observed cost of calls, with cached tokens at their own prices.
    each = sum(paid_for(money, role) for role in ("answerer", "judge")) / used["answer"]["calls"]
    wall = str(27 * 1.5 * each)
    assert probec("build", *paid(server, *options, "--set", "scoring.rollouts=6"),
                  "--max-usd", wall) == 0, probec.err  # fmt: skip

    # The rows of the table have as many cells as its header.
    (header, rule, *rows) = [line for line in card.splitlines() if line.startswith("| stage |")
                             or "| generate |" in line or "| answer |" in line]  # fmt: skip
    assert len({line.count("|") for line in (header, rule, *rows)}) == 1


def paid_for(money: dict[str, Any], role: str) -> float:
    return sum(float(row["usd"]) for row in money["spent"] if row["role"] == role)


def test_the_doctor_checks_key_server_clock_and_models(
    probec: Probec, server: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert probec("doctor", *paid(server)) == 0
    assert "responds and accepts the key" in probec.out
    assert "test" not in probec.out.replace("latest", "")
    assert probec("doctor", *paid(server, "--set", "models.judge.model=none",
                                  "--set", "prices={none: {input: 1.0, output: 1.0}, "
                                  f"{MODEL}: {{input: 1.0, output: 5.0}}}}")) == 1  # fmt: skip
    assert "unknown to the server, which lists claude-" in probec.out
    monkeypatch.delenv("ANTHROPIC_API_KEY")
    assert probec("doctor", *paid(server), "--offline") == 1
    assert "set ANTHROPIC_API_KEY" in probec.out


def test_the_doctor_knows_servers_that_list_models_but_do_not_show_one(
    probec: Probec, server: Rehearsal
) -> None:
    server.faults([{"at": "models", "do": {"status": 404}, "skip": 1}])
    assert probec("doctor", *paid(server)) == 0
    assert "in the server's list (it shows no single model)" in probec.out
    server.faults([{"at": "models", "do": {"status": 404}, "times": -1}])
    assert probec("doctor", *paid(server)) == 0
    assert "not checked: the server shows no models" in probec.out


def test_a_rehearsal_with_faults_has_the_result_of_one_without(
    probec: Probec, project: Path
) -> None:
    faults = project / "specs/faults.json"
    calm = probec.json("build", SPEC)
    rough = probec.json("rehearse", SPEC, "--faults", str(faults), "--speed", "2000")
    server: Any = rough["server"]

    assert server["agrees"]
    assert server["ledger"]["requests"] > 100
    assert stats(rough)["probes"] == stats(calm)["probes"]
    assert not (project / ".probec/batches").exists()
    assert probec("rehearse", SPEC, "--faults", "nowhere.json") == 2
    assert "the list of faults cannot be read" in probec.err


def test_a_paid_round_is_reproduced_without_key_or_server(
    probec: Probec, project: Path, server: Rehearsal, monkeypatch: pytest.MonkeyPatch
) -> None:
    locks: Any = probec.json("build", *paid(server))["locks"]
    theirs = ledger(server)
    table: Any = probec.json("rounds", *paid(server))["rounds"]
    monkeypatch.delenv("ANTHROPIC_API_KEY")

    assert sum(each["usd"] for each in table) == pytest.approx(theirs["usd"])
    # Requests of both rounds share the batches.
    assert [sorted(each["batches"]) for each in table] == [
        sorted(b["id"] for b in theirs["batches"])
    ] * 2
    for lock in locks:
        assert probec("reproduce", lock["hash"]) == 0
        assert probec.out.startswith("verified")
        assert probec("verify", lock["hash"]) == 0
    assert ledger(server) == theirs


def test_a_damaged_reply_is_named_by_plan_and_its_request_sent_again_by_retry(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    assert probec("build", *paid(server), "--detach") == 75
    with sqlite3.connect(project / ".probec/responses.sqlite") as db:
        (key,) = db.execute("select key from reply").fetchone()
        db.execute("update reply set value = x'00'")
    plan: Any = probec.json("plan", *paid(server))
    (notice,) = plan["notices"]
    assert f"the reply to request {key.hex()[:12]} is damaged" in notice
    assert "probec cache pull" in notice
    assert "probec retry SPEC --reason damaged" in notice
    wait_for_end(server)
    assert probec("build", *paid(server)) == 7
    assert "probec retry SPEC --reason damaged" in probec.err
    requests = ledger(server)["requests"]

    dry: Any = probec.json("retry", *paid(server), "--reason", "damaged", "--dry-run")
    assert dry["retired"] == {"generate": 1}
    assert dry["expected_usd"] > 0
    assert probec("retry", *paid(server), "--reason", "damaged") == 0
    # The budget applies to the new request.
    assert probec("build", *paid(server), "--max-usd", "0") == 3
    assert ledger(server)["requests"] == requests
    built: Any = probec.json("build", *paid(server))
    assert built["steps"]
    answered = ledger(server)["answered"]
    assert sum(answered.values()) == len(replies_of(project)) + 1
    dry = probec.json("retry", *paid(server), "--reason", "damaged", "--dry-run")
    assert dry["retired"] == {}


def replies_of(project: Path) -> list[bytes]:
    with sqlite3.connect(project / ".probec/responses.sqlite") as db:
        return [row[0] for row in db.execute("select key from reply")]
