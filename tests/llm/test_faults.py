"""Faults between a client and a batch endpoint, one by one; the server's ledger is the oracle.

The numbers are those of the fault matrix in `docs/batches.md`.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

import pytest
import zstandard
from msgspec import structs

from compiler.building.recovery import recover
from compiler.engine.lock import locked
from compiler.errors import BusyError, PausedError, ProbecError, ProviderError, StoreError
from compiler.keys import Json
from compiler.llm.batches.api import Unreachable
from compiler.llm.batches.cancellations import REQUESTED
from compiler.llm.batches.clock import WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.batches.reconcile import Reconciler, unswept
from compiler.llm.batches.shards import Limits
from compiler.llm.batches.states import Event, State
from compiler.llm.messages import Outcome
from compiler.llm.providers import batch_api
from compiler.llm.providers.anthropic import client, endpoint
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.project.place import Place
from tests.conftest import until
from tests.llm.desk import Desk, desk

Rule = Mapping[str, object]
OVERLOADED = {"type": "overloaded_error", "message": "busy"}


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def our(tmp_path: Path, forked_servers: None) -> Iterator[Desk]:
    with desk(tmp_path) as found:
        yield found


def rule(at: str, do: Rule, **more: object) -> dict[str, Any]:
    return {"at": at, "do": do, **more}


def settles(our: Desk, *rules: dict[str, Any], count: int = 12, batches: int = 1) -> None:
    """Check that under these faults all is answered and paid once, in this number of batches."""
    our.server.faults(rules)
    our.assert_paid_once(our.ask(count))
    assert len(our.ours()) == batches


def test_01_created_but_the_response_is_lost(our: Desk) -> None:
    settles(our, rule("create", {"drop": "after_commit"}))
    assert (our.posts(), our.events("adopted")) == (1, 1)


def test_02_created_but_the_response_times_out(our: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    real = Client.send

    def send(self: Client, *args: Path | int | str) -> dict[str, Json]:
        # Shorter for the create alone: no other response may time out on a busy machine.
        self._sdk.timeout = 0.7
        try:
            return real(self, *args)  # pyrefly: ignore[bad-argument-type]
        finally:
            self._sdk.timeout = client.TIMEOUT

    monkeypatch.setattr(Client, "send", send)
    settles(our, rule("create", {"hang": 3.0}))
    assert (our.posts(), our.events("adopted")) == (1, 1)


def test_03_connection_reset_before_the_body_was_read(our: Desk) -> None:
    settles(our, rule("create", {"drop": "before_read"}))
    # Whether the body was written completely before the reset depends on the moment.
    assert our.events("not_there") + our.events("refused") == 1
    assert our.clock.slept[0] <= 2


def test_03_a_batch_that_was_not_created_is_no_longer_in_flight(our: Desk) -> None:
    settles(our, rule("create", {"status": 500}))
    assert our.events("not_there") == 1
    assert our.purse.in_flight == pytest.approx(0)


def test_03_the_server_is_down(our: Desk) -> None:
    our.server.faults([rule("create", {"drop": "after_commit"}, times=0)])
    our.ask(1)
    our.server.stop()
    slept: list[float] = []

    def sleep(seconds: float, woken: Callable[[], bool] = bool) -> None:
        slept.append(seconds)
        our.clock.offset += seconds
        if len(slept) == 2:
            our.server.restart()
            our.server.advance(our.clock.offset)
        elif len(slept) > 2:
            our.server.advance(seconds)

    our.clock.sleep = sleep  # pyrefly: ignore[method-assign]
    our.again()
    for number in range(6):
        our.dispatcher.want(our.request(number), range(1), 0, "")
    our.dispatcher.settle()

    assert our.events("refused") == 2
    assert len(our.ours()) == 1
    assert our.answered() == [1] * 6


class Killed(BaseException):
    """The process was killed."""


def killed_at(our: Desk, event: Event, *, before: bool, times: int = 1) -> None:
    """Make the journal raise right before or after it makes an event durable."""
    real = Journal.move
    left = [times]

    def move(self: Journal, shard: object, what: Event, *args: object, **values: object) -> object:
        if what is event and before and left[0]:
            left[0] -= 1
            raise Killed
        done = real(self, shard, what, *args, **values)  # pyrefly: ignore[bad-argument-type]
        if what is event and left[0]:
            left[0] -= 1
            raise Killed
        return done

    our.journal.move = move.__get__(our.journal)  # pyrefly: ignore[method-assign]


def dies(our: Desk, event: Event, *, before: bool, count: int = 12) -> None:
    killed_at(our, event, before=before)
    with pytest.raises(Killed):
        our.ask(count)
    our.again()


def test_03_a_body_that_was_not_sent_completely_was_not_accepted(our: Desk) -> None:
    """The server resets the connection while megabytes of the body are not even written."""
    our.ask(1)
    our.server.faults([rule("create", {"drop": "before_read"})])
    big = structs.replace(our.request(7), user="x" * 30_000_000)
    our.dispatcher.want(big, range(1), 0, "")
    our.dispatcher.settle()
    assert (our.events("refused"), our.events("not_there")) == (1, 0)
    assert sum(our.clock.slept[:1]) <= 2
    assert our.answered() == [1, 1]


def test_04_killed_between_the_intent_and_the_request(our: Desk) -> None:
    dies(our, Event.INTENT, before=False)
    assert our.posts() == 0
    settles(our)
    assert (our.posts(), our.events("not_there")) == (1, 1)


def test_05_killed_between_the_servers_commit_and_ours(our: Desk) -> None:
    dies(our, Event.ACCEPTED, before=True)
    assert our.posts() == 1
    settles(our)
    assert (our.posts(), our.events("adopted")) == (1, 1)


def test_06_listed_ninety_seconds_late(our: Desk) -> None:
    settles(our, rule("create", {"drop": "after_commit", "hide": 90}))
    assert our.posts() == 1


def test_06_a_batch_listed_after_the_search_ended_is_a_duplicate_found_and_priced(
    our: Desk,
) -> None:
    """Cover the documented residual risk: the server lists a batch later than the client looks."""
    our.server.faults([rule("create", {"drop": "after_commit", "hide": 620})])
    keys = our.ask(12)

    assert len(our.log) == len(keys) == our.booked()[0]
    assert len(our.ours()) == 2
    assert our.events("suspect_duplicate") == 1
    ((_, _, _, verdict, usd),) = our.journal.suspects()
    assert verdict == "duplicate"
    assert usd > 0


def test_06_a_duplicate_listed_after_the_run_is_found_by_a_later_check(
    our: Desk,
) -> None:
    our.server.faults([rule("create", {"drop": "after_commit", "hide": 9000})])
    our.ask(12)
    assert [*our.journal.suspects()] == []
    now = our.clock.now
    assert unswept(our.journal, now()) == [our.journal.shards()[0].endpoint]
    our.clock.sleep(9000.0)
    client = Client(our.server.base_url)
    Reconciler(Endpoint(client, our.clock), our.journal, our.clock).suspects()
    client.close()
    ((_, _, _, verdict, usd),) = our.journal.suspects()
    assert verdict == "duplicate"
    assert usd > 0
    # Suspects are checked for two days.
    our.clock.sleep(2 * 86400.0)
    assert unswept(our.journal, now()) == []


def test_07_other_batches_of_the_same_size_at_the_same_time(our: Desk) -> None:
    our.server.add_foreign(11)
    settles(our, rule("create", {"foreign": {"like": "same_count"}, "drop": "after_commit"}))
    assert our.posts() == 1
    assert our.events("foreign") >= 1
    assert {s[3] for s in our.journal.suspects()} == {"foreign"}


def test_08_two_errors_that_created_nothing(our: Desk) -> None:
    settles(our, rule("create", {"status": 500}, times=2))
    assert our.posts() == 3
    # The search begins within seconds, and ends after ten minutes.
    assert our.clock.slept[0] <= 2
    assert sum(our.clock.slept[:9]) > 599


def test_09_an_error_that_created_a_batch(our: Desk) -> None:
    settles(our, rule("create", {"status": 500, "commit": True}))
    assert our.posts() == 1


def test_10_a_retry_after_of_one_hour(our: Desk) -> None:
    our.limits = Limits(5, 250_000_000, 200_000)
    our.again()
    wait = rule("create", {"status": 429, "headers": {"retry-after": "3600"}}, skip=1)
    settles(our, wait, batches=3)
    assert max(our.clock.slept) <= 900
    assert [s.note for s in our.journal.shards()]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (
            429,
            {
                "type": "rate_limit_error",
                "message": "limit",
                "details": {"error_code": "enforced_spend_limit_reached"},
            },
        ),
        (
            400,
            {
                "type": "invalid_request_error",
                "message": "You have reached your specified API usage limits.",
            },
        ),
        (402, {"type": "billing_error", "message": "pay"}),
        (401, {"type": "authentication_error", "message": "invalid key"}),
        (403, {"type": "permission_error", "message": "no"}),
    ],
)  # fmt: skip
def test_11_and_13_the_account_cannot_be_used(our: Desk, status: int, error: Rule) -> None:
    body = {"type": "error", "error": error}
    our.limits = Limits(5, 250_000_000, 200_000)
    our.again()
    our.server.faults([rule("create", {"status": status, "json": body}, times=-1)])
    with pytest.raises(PausedError) as caught:
        our.ask(12)

    assert caught.value.exit_code == 4
    assert our.posts() == 1
    assert all(s.state is State.SEALED for s in our.journal.shards())
    our.server.faults([])
    our.again()
    our.assert_paid_once(our.ask(12))


def test_12_a_single_request_that_is_too_large_names_its_row(our: Desk) -> None:
    our.ask(1)
    html = {"status": 413, "html": "<h1>413</h1>"}
    our.server.faults([rule("create", html, times=-1)])
    with pytest.raises(
        ProviderError, match=r"request 1: the answerer's request of \d+ bytes is too large"
    ):
        our.ask(2)
    assert our.posts() == 1
    assert [s.state for s in our.journal.shards()] == [State.DISCARDED]
    our.server.faults([])
    our.again()
    our.assert_paid_once(our.ask(2))


def test_12_too_large_for_a_proxy(our: Desk) -> None:
    settles(our, rule("create", {"status": 413, "html": "<h1>413</h1>"}), batches=2)
    assert our.posts() == 3


def test_14_a_batch_that_is_temporarily_not_found(our: Desk) -> None:
    gone: Rule = {"status": 404}
    settles(our, rule("retrieve", gone, times=3), rule("retrieve", gone, skip=2, times=2))
    assert our.posts() == 1


@pytest.mark.parametrize(
    "do",
    [
        {"status": 502, "html": "<html>bad gateway</html>"},
        {"status": 529},
        {"drop": "after_commit"},
        {"fields": {"processing_status": "paused"}},
        {"fields": {"request_counts": None}},
        {"fields": {"id": 7}},
    ],
)
def test_15_malformed_responses_while_the_batch_runs(our: Desk, do: Rule) -> None:
    settles(our, rule("retrieve", do, times=3))
    assert our.events("unknown_status") == ("processing_status" in str(do))


@pytest.mark.parametrize(
    "cut",
    [
        {"lines": 3, "mode": "close"},
        {"lines": 0, "mode": "close"},
        {"bytes": 700, "mode": "close"},
        {"bytes": 700, "mode": "length"},
        {"bytes": 700, "mode": "chunked"},
    ],
)
def test_16_and_17_truncated_results(our: Desk, cut: Rule) -> None:
    settles(our, rule("results", {"truncate": cut}, times=2))
    assert our.posts() == 1


def test_16_permanently_truncated_results_are_not_paid_for_again(our: Desk) -> None:
    cut = rule("results", {"truncate": {"lines": 3, "mode": "close"}}, times=-1)
    our.server.faults([cut])
    with pytest.raises(ProviderError, match="is incomplete: 8 of 11 are missing"):
        our.ask(12)
    assert our.posts() == 1
    our.again()
    settles(our)


@pytest.mark.parametrize(
    "transform",
    [
        ["shuffle", "duplicate", "blank_tail"],
        ["crlf", "u2028"],
        ["long_line"],
        ["shuffle", "crlf", "duplicate", "u2028", "blank_tail", "foreign_line"],
    ],
)
def test_18_and_19_results_in_unusual_forms(our: Desk, transform: list[str]) -> None:
    settles(our, rule("results", {"transform": transform}, times=-1))
    assert our.events("foreign_result") == ("foreign_line" in transform)


def test_18_different_results_under_one_custom_id_are_both_rejected(our: Desk) -> None:
    """Both are rejected also after a kill between the download and the log, and in a recovery."""
    our.server.faults([rule("results", {"transform": ["conflict"]}, times=-1)])
    dies(our, Event.APPLIED, before=True)
    assert our.posts() == 1
    keys = our.ask(12)
    found = [our.dispatcher.reply(key) for key in keys]
    (unclear,) = [reply for reply in found if reply.outcome is not Outcome.OK]
    assert (unclear.outcome, unclear.text) == (Outcome.UNKNOWN, "")
    assert unclear.error == "2 results under one custom id, which differ"
    assert unclear.output_tokens > 0
    our.assert_paid_once(keys)
    (told,) = [text for text in our.notices if "different results under one custom id" in text]
    assert "for 1 request (" in told
    assert "probec retry --reason unknown" in told
    assert (our.events("downloaded"), our.events("incomplete")) == (1, 0)
    # A lost log is rebuilt by the same rule.
    our.again()
    for path in our.root.glob("responses.sqlite*"):
        path.unlink()
    (our.root.parent / ".probec").symlink_to(our.root)
    assert recover(Place(our.root.parent, our.root.parent), accept_loss=True).recovered == 11
    replies = [our.log.get(key) for key in keys]
    assert sum(reply is not None and reply.outcome is Outcome.OK for reply in replies) == 10


def test_19_a_request_with_a_missing_result_is_sent_again(our: Desk) -> None:
    our.server.faults([rule("results", {"transform": ["drop_line"]}, times=-1, batch=0)])
    keys = our.ask(12)

    assert all(key in our.log for key in keys)
    assert our.events("partial") >= 1
    assert [b["n"] for b in our.ours()] == [11, 1]


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/steal", "/v1/messages/batches/x/results", None, "early"]
)
def test_20_the_key_is_sent_to_no_other_address(our: Desk, url: str | None) -> None:
    if url == "early":
        url = f"{our.server.base_url}/v1/messages/batches/early/results"
    settles(our, rule("retrieve", {"fields": {"results_url": url}}, times=-1))


@pytest.mark.parametrize(
    "error",
    ["api_error", "overloaded_error", "timeout_error", "rate_limit_error"],
)
@pytest.mark.parametrize("flat", [False, True])
def test_21_requests_that_failed_on_the_server_are_sent_again(
    our: Desk, error: str, flat: bool
) -> None:
    do = {"errored": {"type": error}, "flat": flat}
    settles(our, rule("request", do, index=[0, 3, 5]), batches=2)
    assert [b["n"] for b in our.ours()] == [11, 3]


@pytest.mark.parametrize("do", [{"expired": True}, {"unknown": "paused"}])
def test_21_requests_without_a_result_are_sent_again(our: Desk, do: Rule) -> None:
    settles(our, rule("request", do, index=[1, 2]), batches=2)


@pytest.mark.parametrize(
    ("error", "text"),
    [("invalid_request_error", "prompt is too long"), ("not_found_error", "model: gone")],
)
def test_21_an_invalid_request_keeps_its_error_as_outcome(our: Desk, error: str, text: str) -> None:
    our.server.faults(
        [rule("request", {"errored": {"type": error, "message": text}}, index=[4], times=-1)]
    )
    keys = our.ask(12)
    outcomes = [our.dispatcher.reply(key) for key in keys]
    failed = [reply for reply in outcomes if reply.outcome is Outcome.ERRORED]

    assert len(our.ours()) == 1
    assert [reply.error for reply in failed] == [f"{error}: {text}"]
    assert failed[0].usd(our.dispatcher._purpose.rate) == 0


def test_21_many_failed_requests_stop_the_run(our: Desk) -> None:
    do = {"errored": {"type": "invalid_request_error", "message": "no such field"}}
    our.server.faults([rule("request", do, times=-1)])
    with pytest.raises(ProviderError, match=r"11 of 12 calls .* failed: .*no such field"):
        our.ask(12)
    assert len(our.log) == 1


def test_21_a_request_that_always_fails_is_sent_five_times(our: Desk) -> None:
    our.server.faults([rule("request", {"errored": OVERLOADED}, index=[0], times=-1)])
    keys = our.ask(12)

    assert [b["n"] for b in our.ours()] == [11, 1, 1, 1, 1]
    assert sum(our.dispatcher.reply(key).outcome is Outcome.ERRORED for key in keys) == 1


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("max_tokens", Outcome.TRUNCATED),
        ("refusal", Outcome.REFUSED),
        ("model_context_window_exceeded", Outcome.TRUNCATED),
        ("pause_turn", Outcome.PAUSED),
    ],
)
def test_21_every_billed_reply_is_kept(our: Desk, reason: str, outcome: Outcome) -> None:
    our.server.faults([rule("request", {"stop_reason": reason}, index=[2])])
    keys = our.ask(12)
    our.assert_paid_once(keys)
    found = [our.dispatcher.reply(key) for key in keys]

    assert [r.outcome for r in found if r.stop_reason == reason] == [outcome]


def test_22_credit_runs_out_during_a_batch(our: Desk) -> None:
    broke = {"type": "invalid_request_error", "message": "Your credit balance is too low to go on"}
    our.server.faults([rule("request", {"errored": broke}, share=0.6)])
    with pytest.raises(PausedError, match="credit balance is too low"):
        our.ask(30)
    had = len(our.log)
    assert 1 < had < 30
    assert our.posts() == 1
    our.again()
    our.assert_paid_once(our.ask(30))
    assert our.ours()[1]["n"] == 30 - had


def test_23_a_batch_past_its_expiry_is_waited_for(our: Desk) -> None:
    settles(our, rule("retrieve", {"fields": {"processing_status": "in_progress"}}, times=340))
    assert our.events("late") == 1
    assert "it is polled hourly and not sent again" in our.notices[0]


@pytest.mark.parametrize("hours", [6, -6])
@pytest.mark.parametrize("sleeps", [0, 1])
def test_23_the_clock_is_wrong_or_jumps(our: Desk, hours: int, sleeps: int) -> None:
    """Shift it from the start or while a batch runs; the server's dates show the difference."""
    real = our.clock.now

    def now() -> float:
        return real() + (3600.0 * hours if len(our.clock.slept) >= sleeps else 0.0)

    our.clock.now = now  # pyrefly: ignore[method-assign]
    settles(our, rule("create", {"drop": "after_commit"}))
    assert our.posts() == 1


def leave(our: Desk, count: int) -> None:
    """Send `count` requests and do not wait for them."""
    our.wait = False
    our.again()
    with pytest.raises(ProbecError) as caught:
        our.ask(count)
    assert caught.value.exit_code == 75


def test_23_archived_results_are_lost_and_paid_again_only_by_the_next_run(our: Desk) -> None:
    leave(our, 12)
    our.clock.sleep(30 * 86400.0)
    our.wait = True
    our.again()
    with pytest.raises(ProviderError, match="are lost"):
        our.ask(12)
    assert our.posts() == 1
    our.again()
    keys = our.ask(12)
    assert all(key in our.log for key in keys)
    assert our.posts() == 2


def test_23_delayed_results_of_an_old_batch_are_waited_for(our: Desk) -> None:
    leave(our, 12)
    our.clock.sleep(25 * 3600.0)
    our.server.faults([{"at": "results", "do": {"status": 404}, "times": 12}])
    our.wait = True
    our.again()
    our.assert_paid_once(our.ask(12))
    assert our.posts() == 1


def test_23_a_batch_unknown_to_the_server_is_lost_after_29_days_and_not_before(our: Desk) -> None:
    leave(our, 12)
    our.server.faults([{"at": "retrieve", "do": {"status": 404}, "times": 10_000}])
    our.clock.sleep(28 * 86400.0)
    our.again()
    with pytest.raises(ProbecError) as caught:
        our.ask(12)
    assert caught.value.exit_code == 75
    (shard,) = our.journal.shards()
    assert "is this the key of the workspace that sent it?" in shard.note
    our.clock.sleep(2 * 86400.0)
    our.again()
    with pytest.raises(ProviderError, match="are lost: unknown to the server"):
        our.ask(12)
    assert our.posts() == 1
    our.server.faults([])
    our.wait = True
    our.again()
    keys = our.ask(12)
    assert all(key in our.log for key in keys)
    assert our.posts() == 2


def cancel_elsewhere(our: Desk) -> str:
    """Cancel the only batch at the server, as its console does; return its id."""
    (shard,) = our.journal.shards()
    assert shard.batch_id is not None
    with batch_api(our.server.base_url) as api:
        api.cancel(shard.batch_id)
    return shard.batch_id


def test_24_a_batch_canceled_elsewhere_is_not_sent_again_by_the_same_build(our: Desk) -> None:
    leave(our, 40)
    our.clock.sleep(20)
    batch = cancel_elsewhere(our)
    our.wait = True
    our.again()
    with pytest.raises(ProviderError, match=f"{batch} was canceled, but not by this build") as why:
        our.ask(40)
    (first,) = our.ours()
    left = 39 - int(str(first["billed_requests"]))
    assert 0 < left < 39
    assert len(our.log) == 40 - left or "39 requests" in why.value.message
    assert "run the same command" in str(why.value.hint)

    # The next build is the user's decision.
    our.again()
    our.assert_paid_once(our.ask(40))
    assert [b["n"] for b in our.ours()] == [39, left]
    cancel_ended = our.journal.shards()[0].batch_id
    with batch_api(our.server.base_url) as api:
        api.cancel(str(cancel_ended))


def test_24_a_batch_that_is_being_canceled_stops_the_build_at_once(our: Desk) -> None:
    our.server.faults([rule("create", {"slow": None})])
    leave(our, 12)
    cancel_elsewhere(our)
    our.server.faults([rule("retrieve", {"fields": {"processing_status": "canceling"}}, times=2)])
    our.wait = True
    our.again()
    with pytest.raises(ProviderError, match="1 batch is still with the provider"):
        our.ask(12)
    assert [s.state for s in our.journal.shards()] == [State.CANCELING]
    assert our.posts() == 1
    our.again()
    our.assert_paid_once(our.ask(12))


@pytest.mark.parametrize("lines", [True, False])
def test_24_canceled_requests_stop_the_build_with_or_without_a_line_for_each(
    our: Desk, lines: bool
) -> None:
    canceled = rule("request", {"canceled": True}, index=[1, 2, 4, 5, 6])
    our.server.faults([canceled])
    if not lines:
        our.server.faults([canceled, rule("results", {"transform": ["drop_canceled"]}, times=-1)])
    with pytest.raises(ProviderError, match="5 requests without a reply are not sent again"):
        our.ask(12)
    assert (our.posts(), len(our.log)) == (1, 7)
    our.again()
    our.assert_paid_once(our.ask(12))


def test_24_a_cancellation_that_the_user_asked_for_does_not_stop_the_next_build(our: Desk) -> None:
    leave(our, 12)
    cancel_elsewhere(our)
    (shard,) = our.journal.shards()
    our.journal.move(shard, Event.CANCEL_SENT, our.clock.now(), next_at=our.clock.now())
    our.wait = True
    our.again()
    our.assert_paid_once(our.ask(12))


def test_24_a_running_build_obeys_a_cancellation_by_another_process(our: Desk) -> None:
    """The build also cancels the batch that the other process could not name yet."""
    our.limits = Limits(5, 250_000_000, 5)
    our.again()
    our.server.faults([rule("create", {"slow": None}, times=-1)])
    real, count = our.clock.sleep, [0]

    def sleep(seconds: float, woken: Callable[[], bool] = bool) -> None:
        count[0] += 1
        if count[0] == 1:
            other = Journal(our.journal.folder)
            other.note(our.clock.now(), REQUESTED, "by `probec cancel`")
            other.close()
            assert woken()
        real(seconds, woken)

    our.clock.sleep = sleep  # pyrefly: ignore[method-assign]
    with pytest.raises(ProviderError, match="`probec cancel` was run, so this build sends nothing"):
        our.ask(12)
    assert our.posts() == 1
    assert our.events("cancel_sent") == 1
    our.server.faults([])
    our.again()
    our.assert_paid_once(our.ask(12))


@pytest.mark.parametrize("event", [Event.DOWNLOADED, Event.APPLIED])
@pytest.mark.parametrize("before", [True, False])
def test_25_killed_around_the_application_of_results(
    our: Desk, event: Event, before: bool, tmp_path: Path
) -> None:
    dies(our, event, before=before)
    settles(our)
    replies = {key: our.log.get(key) for key in our.keys(12)}
    with desk(tmp_path / "calm") as calm:
        settles(calm)
        assert {key: getattr(calm.log.get(key), "text", "") for key in replies} == {
            key: getattr(reply, "text", "") for key, reply in replies.items()
        }


def test_25_killed_during_the_application_of_results(our: Desk) -> None:
    real, left = our.log.put, [5]

    def put(*args: object) -> bool:
        left[0] -= 1
        if not left[0]:
            our.log.commit = lambda: None  # pyrefly: ignore[method-assign]
            raise Killed
        return real(*args)  # pyrefly: ignore[bad-argument-type]

    our.log.put = put  # pyrefly: ignore[bad-assignment, method-assign]
    with pytest.raises(Killed):
        our.ask(12)
    our.again()
    assert len(our.log) == 1
    settles(our)


def test_downloaded_results_that_vanish_before_they_are_applied_are_fetched_again(
    our: Desk,
) -> None:
    dies(our, Event.APPLIED, before=True)
    (shard,) = our.journal.shards()
    our.journal.results(shard.id).unlink()
    settles(our)
    assert (our.posts(), our.events("mislaid"), our.events("downloaded")) == (1, 1, 2)


@pytest.mark.parametrize("what", ["download", "seal"])
def test_26_the_disk_is_full(our: Desk, what: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        if what == "download":
            patch.setattr(endpoint.Endpoint, "download", full)
        else:
            patch.setattr("compiler.llm.batches.shards.os.fsync", full)
        with pytest.raises(StoreError, match="No space left"):
            our.ask(12)
    our.again()
    settles(our)


def test_26_the_disk_is_full_when_a_paid_reply_arrives(
    our: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    # SQLite raises the same kind of error for a full disk and a read-only one.
    our.log._open().execute("pragma query_only = on")
    with monkeypatch.context() as patch:
        # Nothing is sent where this fails, so the disk is full after it.
        patch.setattr(type(our.log), "forget_failures", lambda log, purpose: None)
        with pytest.raises(
            StoreError, match=r"1 answerer reply that cost .* cannot be kept"
        ) as caught:
            our.ask(12)
    ledger = our.ledger()

    assert "readonly" in caught.value.message
    assert "(req_" in caught.value.message
    assert (ledger["messages"], our.posts(), len(our.log)) == (1, 0, 0)
    our.again()
    our.ask(12)
    assert len(our.log) == 12


def test_an_interrupt_during_the_first_request_of_a_shape_keeps_its_reply(
    our: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client.Client.message

    def message(self: client.Client, body: bytes) -> tuple[dict[str, Json], str]:
        os.kill(os.getpid(), signal.SIGINT)
        # In flight until the interrupt is handled.
        until(lambda: bool(our.notices))
        return real(self, body)

    with monkeypatch.context() as patch:
        patch.setattr(client.Client, "message", message)
        with pytest.raises(KeyboardInterrupt):
            our.ask(12)
    assert "waiting for 1 request in flight" in our.notices[0]
    assert (our.ledger()["messages"], our.posts(), len(our.log)) == (1, 0, 1)
    our.again()
    settles(our)
    # The shape was proven by that reply, so no other request is sent live.
    assert our.ledger()["messages"] == 1


def test_27_two_clients_on_one_project(our: Desk) -> None:
    with locked(our.journal.folder), pytest.raises(BusyError), locked(our.journal.folder):
        pass


def test_28_the_server_received_exactly_the_sealed_bytes(our: Desk) -> None:
    settles(our)
    (shard,) = our.journal.shards()
    (batch,) = our.ours()
    assert (shard.sha256, shard.bytes) == (batch["body_sha256"], batch["bytes"])


def test_29_parameters_that_the_api_rejects_are_rejected_before_any_post(
    our: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from compiler.llm.providers.anthropic import wire

    real = wire.messages_body

    def tainted(request: object) -> dict[str, Any]:
        return {**real(request), "temperature": 1.0}  # pyrefly: ignore[bad-argument-type]

    monkeypatch.setattr(wire, "messages_body", tainted)
    with pytest.raises(ProviderError, match="parameters that the API refuses: temperature"):
        our.ask(3)
    assert (our.posts(), our.ledger()["messages"]) == (0, 0)


def test_29_a_shape_that_the_api_rejects_sends_no_batch(our: Desk) -> None:
    bad = our.request(0).__class__("no-such-model", "s", "u", 800, None)
    for number in range(5):
        wanted = bad.__class__(bad.model, "s", f"u{number}", 800, None)
        our.dispatcher.want(wanted, range(1), 0, "")
    with pytest.raises(ProviderError, match="refused the first 2 requests of their kind"):
        our.dispatcher.settle()
    assert our.posts() == 0


def test_29_a_rejected_request_does_not_stop_the_others(
    our: Desk,
) -> None:
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "too long"}}
    our.server.faults([rule("messages", {"status": 400, "json": error})])
    keys = our.ask(12)
    outcomes = [our.dispatcher.reply(key).outcome for key in keys]

    assert set(outcomes) == {Outcome.OK}
    assert [b["n"] for b in our.ours()] == [11]


def test_29_an_oversized_request_names_its_row(our: Desk) -> None:
    our.limits = Limits(100, 2000, 1000)
    our.again()
    big = our.request(0).__class__("m", "s", "u" * 3000, 800, None)
    with pytest.raises(
        ProviderError, match=r"document d7: its answerer request has 3,\d\d\d bytes"
    ):
        our.dispatcher.want(big, range(1), 0, "document d7")


@pytest.mark.parametrize("do", [{"ignore_after_id": True}, {"empty_has_more": True}])
def test_30_an_endless_list_of_batches(our: Desk, do: Rule) -> None:
    for n in range(120):
        our.server.add_foreign(n + 50)
    settles(our, rule("list", do, times=2), rule("create", {"drop": "after_commit"}))


@pytest.mark.parametrize("counts", [None, {"processing": None}, {"processing": 4, "errored": 0}])
def test_a_lost_batch_is_found_in_a_list_without_counts(
    our: Desk, counts: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = client.Client.get

    def get(self: client.Client, path: str) -> dict[str, Any]:
        found: dict[str, Any] = real(self, path)
        for each in found.get("data", ()):
            each["request_counts"] = counts
        return found

    monkeypatch.setattr(client.Client, "get", get)
    our.server.faults([
        {"at": "create", "do": {"drop": "after_commit"}},
        {"at": "create", "do": {"foreign": {"like": "same_count"}}},
    ])  # fmt: skip
    settles(our)
    assert our.posts() == 1


class Listing:
    """A client whose list of batches is endless. `age`: seconds between two batches."""

    endpoint = "there"

    def __init__(self, age: float) -> None:
        self.age = age
        self.pages = 0

    def get(self, path: str) -> dict[str, Any]:
        first = self.pages * 100
        self.pages += 1
        return {
            "has_more": True,
            "data": [
                {
                    "id": f"msgbatch_{number}",
                    "created_at": datetime.fromtimestamp(1e9 - number * self.age, UTC).isoformat(),
                }
                for number in range(first, first + 100)
            ],
        }


def test_a_list_is_read_only_as_far_back_as_needed() -> None:
    # Sixty pages: more than the fifty at which the list was once truncated silently.
    listing = Listing(age=1.0)
    api = endpoint.Endpoint(cast(client.Client, listing), WallClock())
    assert len(api.list(1e9 - 5999)) == 6000
    assert listing.pages == 61
    endless = Listing(age=0.0)
    api = endpoint.Endpoint(cast(client.Client, endless), WallClock())
    with pytest.raises(Unreachable, match="it does not end after 100,000 batches"):
        api.list(1e9 - 5999)


def test_the_queue_limit_is_kept(our: Desk) -> None:
    our.limits = Limits(5, 250_000_000, 9)
    our.again()
    keys = our.ask(24)
    our.assert_paid_once(keys)
    assert our.posts() == len(our.ours()) >= 5


def test_both_limits_cut_and_every_open_batch_has_its_own_size(our: Desk) -> None:
    our.limits = Limits(6, 1800, 1000)
    our.again()
    keys = our.ask(21)
    our.assert_paid_once(keys)

    assert all(int(str(b["bytes"])) <= 1800 and int(str(b["n"])) <= 6 for b in our.ours())
    first = [s.n for s in our.journal.shards()]
    assert len(set(first[:4])) == 4


def test_the_budget_is_checked_before_anything_is_sent(our: Desk) -> None:
    our.wall = 0.005
    our.again()
    with pytest.raises(ProbecError) as caught:
        our.ask(12)
    assert caught.value.exit_code == 3
    assert (our.posts(), our.ledger()["messages"]) == (0, 0)


def test_a_sealed_request_that_is_no_longer_needed_is_not_sent(our: Desk) -> None:
    dies(our, Event.INTENT, before=True)
    our.dispatcher.want(our.request(99), range(1), 0, "")
    our.dispatcher.settle()

    assert len(our.log) == 2
    assert sum(our.answered()) == 2


def test_an_open_batch_of_an_older_spec_is_collected(our: Desk) -> None:
    dies(our, Event.ACCEPTED, before=False)
    our.dispatcher.want(our.request(99), range(1), 0, "")
    our.dispatcher.settle()

    assert len(our.log) == 13


def test_results_are_kept_byte_for_byte(our: Desk) -> None:
    settles(our)
    (shard,) = our.journal.shards()
    packed = our.journal.results(shard.id).with_suffix(".jsonl.zst").read_bytes()
    raw = zstandard.ZstdDecompressor().decompressobj().decompress(packed)
    assert len(raw.splitlines()) == 11
    assert all(json.loads(line)["result"]["type"] == "succeeded" for line in raw.splitlines())
