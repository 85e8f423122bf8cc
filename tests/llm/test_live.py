"""The live provider with a faulty loopback server that speaks the Messages API."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from msgspec.structs import replace

from compiler.errors import BudgetError, PausedError, ProviderError
from compiler.llm import intents
from compiler.llm.batches import cancellations
from compiler.llm.batches.clock import WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.intents import Intents
from compiler.llm.messages import Outcome, Purpose, Reply, Request
from compiler.llm.providers import provider
from compiler.llm.providers.anthropic.flight import Gate, Leaving
from compiler.llm.providers.replay import Replay
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from tests.conftest import ROOT
from tests.llm.parts import Got, nothing, settings, wanted


@dataclass
class Server:
    """Requests that the server received, and its next responses: a status, or a stop reason."""

    url: str = ""
    bodies: list[dict[str, object]] = field(default_factory=list)
    script: list[int | str] = field(default_factory=list)
    # Set when a slow response may be sent.
    go: threading.Event = field(default_factory=threading.Event)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self, body: dict[str, object]) -> int | str:
        with self.lock:
            self.bodies.append(body)
            return self.script.pop(0) if self.script else "end_turn"

    def hear(self, heard: list[str]) -> Callable[[str], None]:
        """Return a listener to notices that releases slow responses after the first notice."""

        def notice(text: str) -> None:
            heard.append(text)
            self.go.set()

        return notice

    def slowed(self, answer: int | str) -> int | str:
        """Hold back a slow response; during one kind of them, the user presses Ctrl-C."""
        if answer not in ("interrupt", "slow", "hang"):
            return answer
        if answer == "interrupt":
            os.kill(os.getpid(), signal.SIGINT)
        self.go.wait(60)
        return "end_turn"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            size = int(self.headers["content-length"])
            body = json.loads(self.rfile.read(size))
            answer = state.slowed(state.next(body))
            if isinstance(answer, int):
                self.refuse(answer)
            elif answer == "gone":
                self.close_connection = True
            elif answer == "html":
                self.html()
            else:
                text = str(body["messages"][0]["content"]).upper()
                (self.stream if body.get("stream") else self.whole)(text, answer)

        def refuse(self, status: int) -> None:
            text = json.dumps({"type": "error", "error": {"type": "x", "message": "no"}}).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(text)))
            self.send_header("retry-after", "0")
            self.end_headers()
            self.wfile.write(text)

        def html(self) -> None:
            page = b"<html>welcome</html>"
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.send_header("content-length", str(len(page)))
            self.end_headers()
            self.wfile.write(page)

        def whole(self, text: str, stop: str) -> None:
            message = {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
                "content": [{"type": "text", "text": text}], "stop_reason": stop,
                "stop_sequence": None, "usage": {"input_tokens": 7, "output_tokens": 9},
            }  # fmt: skip
            data = json.dumps(message).encode()
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data[:40] if stop == "cut" else data)
            self.close_connection = stop == "cut"

        def stream(self, text: str, stop: str) -> None:
            usage = {"input_tokens": 7, "output_tokens": 1}
            message: dict[str, object] = {
                "id": "msg_1", "type": "message", "role": "assistant", "model": "m-1",
                "content": [], "stop_reason": None, "stop_sequence": None, "usage": usage,
            }  # fmt: skip
            block = {"type": "text", "text": ""}
            delta = {"type": "text_delta", "text": text}
            end = {"stop_reason": "end_turn" if stop == "drip" else stop, "stop_sequence": None}
            events: list[dict[str, object]] = [
                {"type": "message_start", "message": message},
                {"type": "content_block_start", "index": 0, "content_block": block},
                {"type": "content_block_delta", "index": 0, "delta": delta},
                {"type": "content_block_stop", "index": 0},
                {"type": "message_delta", "delta": end, "usage": {"output_tokens": 9}},
                {"type": "message_stop"},
            ]
            self.send_response(200)
            self.send_header("content-type", "text/event-stream")
            self.end_headers()
            if stop.endswith("_error"):
                failed = {"type": stop, "message": "in trouble"}
                events[3:] = [{"type": "error", "error": failed}]
            for event in events[:3] if stop == "cut" else events:
                time.sleep(0.2 if stop == "drip" else 0)
                self.wfile.write(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n".encode())

        def log_message(self, format: str, *args: object) -> None:
            pass

    http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=http.serve_forever, args=(0.02,))
    thread.start()
    state.url = f"http://127.0.0.1:{http.server_port}"
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setattr(Gate, "_rest", lambda self, seconds: None)
    yield state
    state.go.set()
    http.shutdown()
    thread.join()
    http.server_close()


SHORT, LONG = 50, 9000


def ask(server: Server, *users: str, most: int = SHORT) -> dict[str, Reply]:
    live = provider("anthropic", settings(server.url, 3))
    calls = {user: wanted(live, Request("m", "s", user, most, None)) for user in users}
    got = Got()
    live.ask(calls.values(), got, nothing)
    return {user: got.replies[each.key] for user, each in calls.items()}


@pytest.mark.parametrize("most", [SHORT, LONG])
def test_every_call_is_sent_once_exactly_as_encoded(server: Server, most: int) -> None:
    users = [f"u{number}" for number in range(10)]
    got = ask(server, *users, most=most)

    assert {user: reply.text for user, reply in got.items()} == {u: u.upper() for u in users}
    assert len(server.bodies) == 10
    # Long replies are streamed; the rest of the body is the part that is hashed.
    streamed = {"stream"} if most == LONG else set()
    assert set(server.bodies[0]) - streamed == {"model", "max_tokens", "system", "messages"}
    reply = got["u0"]
    assert (reply.outcome, reply.model, reply.stop_reason) == (Outcome.OK, "m-1", "end_turn")
    assert (reply.input_tokens, reply.output_tokens, reply.request_id) == (7, 9, "msg_1")


@pytest.mark.parametrize(
    ("stop", "outcome"), [("max_tokens", Outcome.TRUNCATED), ("refusal", Outcome.REFUSED)]
)
def test_stop_reasons_become_outcomes(server: Server, stop: str, outcome: Outcome) -> None:
    server.script = [stop]

    assert ask(server, "u")["u"].outcome is outcome


def test_requests_that_the_server_did_not_process_are_sent_again(server: Server) -> None:
    server.script = [429, 529, 503]

    assert ask(server, "u")["u"].outcome is Outcome.OK
    assert len(server.bodies) == 4


@pytest.mark.parametrize("broken", ["gone", "cut", "html", 500, 502, 408])
@pytest.mark.parametrize("most", [SHORT, LONG])
def test_a_request_whose_response_is_lost_is_sent_again(
    server: Server, broken: str | int, most: int
) -> None:
    server.script = [broken, broken]

    assert ask(server, "u", most=most)["u"].outcome is Outcome.OK
    assert len(server.bodies) == 3


@pytest.mark.parametrize("broken", ["gone", "cut", "html"])
@pytest.mark.parametrize("most", [SHORT, LONG])
def test_responses_that_are_always_lost_are_one_clear_error(
    server: Server, broken: str, most: int
) -> None:
    server.script = [broken] * 9
    with pytest.raises(ProviderError) as caught:
        ask(server, "u", most=most)
    assert caught.value.where == server.url
    assert len(server.bodies) == 3


@pytest.mark.parametrize("error", ["overloaded_error", "api_error"])
def test_a_stream_that_ends_with_a_server_error_is_requested_again(
    server: Server, error: str
) -> None:
    server.script = [error, error]
    assert ask(server, "u", most=LONG)["u"].outcome is Outcome.OK
    assert len(server.bodies) == 3
    # The number of attempts is bounded, because each stream may have been billed.
    server.bodies.clear()
    server.script = [error] * 9
    options = settings(server.url, 3)
    live, got = provider("anthropic", options), Got()
    live.ask([wanted(live, Request("m", "s", "u", LONG, None))], got, nothing)
    reply = got.only
    assert intents.unlogged(options.batches.journal).requests == 3
    assert (reply.outcome, reply.error) == (Outcome.ERRORED, f"{error} in the stream: in trouble")
    assert len(server.bodies) == 3


def test_a_stream_that_ends_with_an_error_of_the_request_is_not_requested_again(
    server: Server,
) -> None:
    server.script = ["invalid_request_error"]
    assert ask(server, "u", most=LONG)["u"].outcome is Outcome.ERRORED
    assert len(server.bodies) == 1
    server.script = ["billing_error"]
    with pytest.raises(PausedError, match="billing_error in the stream: in trouble"):
        ask(server, "u", most=LONG)


def test_a_server_that_limits_the_rate_is_reported(server: Server) -> None:
    server.script = [429, "slow"]
    heard: list[str] = []
    live = provider("anthropic", settings(server.url, 1, notice=server.hear(heard)))
    live.ask([wanted(live, Request("m", "s", "u", 50, None))], Got(), nothing)
    assert heard[0].startswith("waiting 0 s before the next attempt: HTTP 429")


def test_a_request_that_timed_out_is_sent_again_once_and_later(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.llm.providers.anthropic.live._LATE_WAIT", 0.5)
    server.script = ["slow"]
    heard: list[str] = []
    options = settings(server.url, 2, notice=server.hear(heard), patience=0.3)
    live = provider("anthropic", options)
    live.ask([wanted(live, Request("m", "s", "u", 50, None))], Got(), nothing)
    assert heard[0].startswith("waiting 0 s before the next attempt: no byte for 0 s")
    assert len(server.bodies) == 2
    assert intents.unlogged(options.batches.journal).roles == {"answerer": 1}


def test_a_time_out_concerns_the_gaps_of_a_long_reply(server: Server) -> None:
    server.script = ["drip"]
    live = provider("anthropic", settings(server.url, 1, patience=0.9))
    got = Got()
    live.ask([wanted(live, Request("m", "s", "u", LONG, None))], got, nothing)
    # Six events, 1.2 s in all.
    assert (got.only.outcome, got.only.text, len(server.bodies)) == (Outcome.OK, "U", 1)


def test_repeated_time_outs_end_with_the_setting_to_change(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("compiler.llm.providers.anthropic.live._LATE_WAIT", 0.1)
    server.script = ["hang"] * 9
    options = settings(server.url, 2, patience=0.3)
    live = provider("anthropic", options)
    with pytest.raises(ProviderError, match="no byte for 0 s, 2 times") as caught:
        live.ask([wanted(live, Request("m", "s", "u", 50, None))], Got(), nothing)
    assert "raise models.answerer.read_timeout" in str(caught.value.hint)
    assert len(server.bodies) == 2
    # Both may be billed, and neither brought a reply.
    assert intents.close_lost(options.batches.journal, lambda _: False).requests == 2


def test_a_slow_first_request_is_named_with_its_server_and_time(server: Server) -> None:
    server.script = ["slow"]
    heard: list[str] = []
    live = provider("anthropic", settings(server.url, 1, notice=server.hear(heard)))
    call = replace(wanted(live, Request("m", "s", "u", 50, None)), place="document d7")
    live.ask([call], Got(), nothing)
    start = f"no reply yet from {server.url}: the answerer's request about document d7 since "
    assert heard[0].startswith(start)
    assert heard[0].endswith("(1 s)")


def test_the_intent_of_a_live_request_is_durable_before_the_server_gets_it(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = settings(server.url, 3)
    journal = options.batches.journal
    seen: list[int] = []
    real = Server.next

    def following(self: Server, body: dict[str, object]) -> int | str:
        with sqlite3.connect(journal.path) as other:
            seen.append(other.execute("select count(*) from live").fetchone()[0])
        return real(self, body)

    monkeypatch.setattr(Server, "next", following)
    server.script = [400, "end_turn", 429, "end_turn"]
    live = provider("anthropic", options)
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(6)]
    live.ask(calls, Got(), nothing)
    assert len(seen) == 7
    assert min(seen) >= 1
    # Nothing is left of what was refused or answered, and nothing was sent twice.
    assert intents.unanswered(journal).requests == intents.unlogged(journal).requests == 0


def test_the_intents_of_a_killed_run_are_counted_once(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    calls = [replace(wanted(Replay(), Request("m", "s", f"u{n}", 50, None))) for n in range(4)]
    for call in calls:
        Intents(journal, WallClock()).send(call, "http://x")
    Intents(journal, WallClock()).unserved(calls[3])
    journal.close()
    journal = Journal(tmp_path)
    assert intents.unanswered(journal).requests == 3
    # The run was killed between the commit of the first reply and the end of its intent.
    lost = intents.close_lost(journal, lambda key: key == calls[0].key)
    assert lost.text() == "2 live requests (2 answerer; about $0.00)"
    assert intents.close_lost(journal, lambda _: False).requests == 0
    assert intents.unlogged(journal).requests == 2
    # The next run sends them again, which is the first sending with a reply.
    Intents(journal, WallClock()).send(calls[1], "http://x")
    intents.end(journal, [calls[1].key])
    assert intents.unlogged(journal).requests == 2
    journal.close()


def test_a_cancellation_by_another_process_stops_a_live_run(server: Server) -> None:
    options = settings(server.url, 1)
    journal = options.batches.journal
    live, got = provider("anthropic", options), Got()

    def cancel(key: str, purpose: Purpose, reply: Reply) -> None:
        got(key, purpose, reply)
        if len(got.replies) == 2:
            other = Journal(journal.folder)
            other.note(0.0, cancellations.REQUESTED, "by `probec cancel`")
            other.close()

    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(20)]
    with pytest.raises(ProviderError, match="`probec cancel` was run"):
        live.ask(calls, cancel, nothing)
    assert 2 <= len(got.replies) == len(server.bodies) < 6
    # It concerns every later pass of this run, and no other run.
    with pytest.raises(ProviderError, match="`probec cancel` was run"):
        live.ask(calls, got, nothing)
    again = replace(options, batches=replace(options.batches, journal=Journal(journal.folder)))
    provider("anthropic", again).ask(calls, got, nothing)
    assert len(got.replies) == 20


def test_two_rejections_before_any_reply_stop_the_run(server: Server) -> None:
    server.script = [400] * 9
    with pytest.raises(ProviderError, match="refused the first 2 requests: HTTP 400"):
        ask(server, *(f"u{n}" for n in range(9)))
    assert len(server.bodies) == 2


@pytest.mark.parametrize(("status", "sent"), [(400, 1), (500, 3), (408, 3), (429, 5)])
def test_a_lasting_failure_is_an_outcome_not_a_crash(
    server: Server, status: int, sent: int
) -> None:
    server.script = [status] * 9
    reply = ask(server, "u")["u"]

    assert (reply.outcome, reply.error[:8]) == (Outcome.ERRORED, f"HTTP {status}")
    assert len(server.bodies) == sent


def test_rejected_credentials_stop_the_run_and_keep_the_replies(server: Server) -> None:
    server.script = ["end_turn", "end_turn", 401, 401, 401, 401]
    live = provider("anthropic", settings(server.url, 1))
    got = Got()
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(6)]

    with pytest.raises(PausedError, match="the account cannot be used: HTTP 401"):
        live.ask(calls, got, nothing)
    assert len(got.replies) == 2
    assert len(server.bodies) <= 4


def test_a_pass_over_budget_sends_nothing(server: Server) -> None:
    live = provider("anthropic", settings(server.url, 4, wall=0.0025))
    got = Got()
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(9)]

    with pytest.raises(BudgetError) as caught:
        live.ask(calls, got, nothing)
    assert caught.value.exit_code == 3
    assert (server.bodies, got.replies) == ([], {})


def test_all_rounds_of_a_pass_are_checked_together_against_the_budget(server: Server) -> None:
    """Send three rounds that fit only one by one, and two that do not fit with those in flight."""
    live = provider("anthropic", settings(server.url, 4, wall=0.0025))
    calls = [
        replace(call, purpose=replace(call.purpose, round=index))
        for index in range(3)
        for call in [wanted(live, Request("m", "s", f"u{index}", 50, None))]
    ]

    with pytest.raises(BudgetError, match=r"3 answerer requests are expected to cost \$0\.00"):
        live.ask(calls, Got(), nothing)
    assert server.bodies == []
    purse = Purse(0.0025)
    purse.foresee({call.purpose: 1 for call in calls[:2]}, 0.0004)
    assert purse.planned == pytest.approx(0.0024)
    with pytest.raises(BudgetError, match=r"and \$0\.00 in flight"):
        purse.foresee({call.purpose: 1 for call in calls[:2]}, 0.0006)


def test_the_first_request_is_sent_alone(server: Server) -> None:
    """If all requests would be rejected, only one is sent."""
    server.script = [401] * 9
    live = provider("anthropic", settings(server.url, 4))
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(9)]

    with pytest.raises(PausedError):
        live.ask(calls, Got(), nothing)
    assert len(server.bodies) == 1


def test_an_unreachable_server_is_one_clear_error(server: Server) -> None:
    live = provider("anthropic", settings("http://127.0.0.1:9", 2))
    sent = wanted(live, Request("m", "s", "u", 50, None))

    with pytest.raises(ProviderError, match="the API cannot be used: ConnectError"):
        live.ask([sent], Got(), nothing)


def test_a_missing_key_is_an_error_that_names_the_variable(
    monkeypatch: pytest.MonkeyPatch, server: Server
) -> None:
    for name in ("ANTHROPIC_API_KEY", "ANTHROPIC_AUTH_TOKEN", "ANTHROPIC_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    live = provider("anthropic", settings(server.url, 1))
    sent = wanted(live, Request("m", "s", "u", 50, None))

    with pytest.raises(ProviderError) as caught:
        live.ask([sent], Got(), nothing)
    assert "ANTHROPIC_API_KEY" in str(caught.value)


def test_the_first_interrupt_waits_for_requests_in_flight(server: Server) -> None:
    server.script = ["end_turn", "interrupt", "end_turn"]
    heard: list[str] = []
    live = provider("anthropic", settings(server.url, 2, notice=server.hear(heard)))
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(40)]
    got = Got()

    with pytest.raises(KeyboardInterrupt):
        live.ask(calls, got, nothing)
    # The reply to every sent request is kept, and the other requests were not sent.
    assert len(got.replies) == len(server.bodies) < 40
    assert "to keep what was paid for; press Ctrl-C again to abandon them" in heard[0]
    assert len(heard) == 1
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


def test_an_interrupt_between_two_replies_loses_neither(server: Server) -> None:
    live = provider("anthropic", settings(server.url, 2))
    calls = [wanted(live, Request("m", "s", f"u{n}", 50, None)) for n in range(20)]
    got = Got()

    def deliver(key: str, purpose: Purpose, reply: Reply) -> None:
        if len(got.replies) == 3:
            # While a reply is being stored.
            os.kill(os.getpid(), signal.SIGINT)
            time.sleep(0.01)
        got(key, purpose, reply)

    with pytest.raises(KeyboardInterrupt):
        live.ask(calls, deliver, nothing)
    assert len(got.replies) == len(server.bodies) < 20


def test_an_interrupt_ends_the_wait_for_the_servers_rate_limit() -> None:
    gate = Gate()
    threading.Timer(0.2, gate.leave).start()
    started = time.monotonic()
    with pytest.raises(Leaving):
        gate.close(60.0, "HTTP 529", all_workers=False)
    gate.open()
    gate.close(60.0, "HTTP 429", all_workers=True)
    assert gate.why() == "waiting 60 s before the next attempt: HTTP 429"
    assert gate.why() == ""
    threading.Timer(0.2, gate.leave).start()
    with pytest.raises(Leaving):
        gate.wait()
    assert time.monotonic() - started < 10


def test_the_second_interrupt_exits_at_once_and_reports_possible_losses(
    server: Server, project: Path
) -> None:
    server.script = ["end_turn", *["hang"] * 20]
    command = [sys.executable, "-m", "compiler", "build", "specs/tiny.yaml"]
    for name, value in (
        ("provider", "anthropic"), ("model", "claude-haiku-4-5-20251001"), ("base_url", server.url),
        ("concurrency", "3"),
    ):  # fmt: skip
        command += ["--set", f"models.generator.{name}={value}"]
    env = {**os.environ, "PYTHONPATH": str(ROOT), "NO_PROXY": "127.0.0.1"}
    with subprocess.Popen(
        [*command, "--set", "budget.max_usd=50"],
        cwd=project, env=env, stderr=subprocess.PIPE, text=True,
    ) as child:  # fmt: skip
        assert child.stderr is not None
        while len(server.bodies) < 3:
            time.sleep(0.05)
            assert child.poll() is None, child.stderr.read()
        child.send_signal(signal.SIGINT)
        told = ""
        while "waiting for" not in told:
            told += child.stderr.readline()
        started = time.monotonic()
        child.send_signal(signal.SIGINT)
        told += child.stderr.read()

    assert child.returncode == 130
    assert time.monotonic() - started < 30
    assert "requests in flight: they may have been billed" in told
    assert "finished steps and replies are kept" in told
    log = ResponseLog(project / ".probec/responses.sqlite")
    assert len(log) == 1
    log.close()
