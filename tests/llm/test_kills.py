"""Clients killed at any point of the journal: the next client finishes, and all is paid once."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from compiler.errors import ProviderError, WaitingError
from compiler.keys import Json, canonical, request_key
from compiler.llm.batches.cancellations import REQUESTED
from compiler.llm.batches.states import Event
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from tests.conftest import ROOT
from tests.llm.desk import MODEL, Desk, desk
from tests.llm.kills import Killed, kill_at_event

COUNT = 12


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


@pytest.fixture
def our(tmp_path: Path, forked_servers: None) -> Iterator[Desk]:
    with desk(tmp_path) as found:
        yield found


Scenario = Callable[[Desk], None]


def _asks(*rules: dict[str, Any]) -> Scenario:
    """Send the requests under these faults."""

    def scenario(our: Desk) -> None:
        our.server.faults(rules)
        our.ask(COUNT)

    return scenario


def _create(**do: object) -> dict[str, Any]:
    return {"at": "create", "do": do}


def _submits(our: Desk) -> None:
    """Leave a batch with the server for a new client."""
    our.wait = False
    our.again()
    with pytest.raises(WaitingError):
        our.ask(COUNT)
    our.wait = True


def _cancels(our: Desk) -> None:
    """Cancel an earlier client's batch, as `probec cancel` does: at the server, then locally."""
    client = Client(our.server.base_url)
    (shard,) = our.journal.shards()
    assert shard.batch_id is not None
    our.journal.note(our.clock.now(), REQUESTED, shard.batch_id, shard.id)
    Endpoint(client, our.clock).cancel(shard.batch_id)
    client.close()
    our.journal.move(shard, Event.CANCEL_SENT, our.clock.now(), next_at=our.clock.now())


def _dies_while_sealed(our: Desk) -> None:
    kill_at_event(our, Event.INTENT, before=True)
    with pytest.raises(Killed):
        our.ask(COUNT)


def _mislays(our: Desk) -> None:
    """Delete results that were downloaded and not applied."""
    kill_at_event(our, Event.APPLIED, before=True)
    with pytest.raises(Killed):
        our.ask(COUNT)
    (shard,) = our.journal.shards()
    our.journal.results(shard.id).unlink()


def _archived(our: Desk) -> None:
    _submits(our)
    our.clock.sleep(30 * 86400.0)


def _finds_theirs(our: Desk) -> None:
    """Add a third-party batch of the same size, slightly older than ours and thus tried first."""
    our.server.add_foreign(COUNT - 1)
    LOST(our)


# The way to each event: the actions of an earlier client, and those of this one.
PLAIN = _asks()
LOST = _asks(_create(drop="after_commit"))
NOT_LISTED = _asks(_create(status=500))
TOO_LARGE = _asks(_create(status=413, html="<h1>413</h1>"))
EXPIRED = _asks({"at": "retrieve", "do": {"fields": {"expires_at": "2020-01-01T00:00:00Z"}}})
WAYS: Mapping[Event, tuple[Scenario | None, Scenario]] = {
    Event.INTENT: (None, PLAIN),
    Event.ACCEPTED: (None, PLAIN),
    Event.REFUSED: (None, _asks(_create(status=429))),
    Event.TOO_LARGE: (None, TOO_LARGE),
    Event.SPLIT: (None, TOO_LARGE),
    Event.UNCERTAIN: (None, LOST),
    Event.ADOPTED: (None, LOST),
    Event.NOT_THERE: (None, NOT_LISTED),
    Event.CANCEL_SENT: (_submits, _cancels),
    Event.LATE: (None, EXPIRED),
    Event.ENDED: (None, PLAIN),
    Event.FOREIGN: (None, _finds_theirs),
    Event.GONE: (_archived, PLAIN),
    Event.DISCARDED: (_dies_while_sealed, PLAIN),
    Event.DOWNLOADED: (None, PLAIN),
    Event.MISLAID: (_mislays, PLAIN),
    Event.APPLIED: (None, PLAIN),
}


def _dies(our: Desk, event: Event, *, before: bool) -> None:
    earlier, now = WAYS[event]
    if earlier is not None:
        earlier(our)
        our.again()
    kill_at_event(our, event, before=before)
    with pytest.raises(Killed):
        now(our)
    assert our.events(event.value) == (0 if before else 1)
    our.again()


def test_every_event_has_a_scenario() -> None:
    assert set(WAYS) == set(Event)


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
@pytest.mark.parametrize("event", [event for event in Event if event is not Event.GONE])
def test_the_next_client_finishes_and_pays_nothing_twice(
    our: Desk, event: Event, before: bool
) -> None:
    _dies(our, event, before=before)
    keys = our.ask(COUNT)

    our.assert_paid_once(keys)
    assert {verdict for *_, verdict, _ in our.journal.suspects()} <= {"foreign"}


@pytest.mark.parametrize("before", [True, False], ids=["before", "after"])
def test_lost_results_are_paid_again_exactly_once(our: Desk, before: bool) -> None:
    _dies(our, Event.GONE, before=before)
    if before:
        # The loss was not reported yet, so this run reports it and sends nothing.
        with pytest.raises(ProviderError, match="are lost"):
            our.ask(COUNT)
        our.again()
    keys = our.ask(COUNT)

    assert all(key in our.log for key in keys)
    assert sorted(our.answered()) == [1] + [2] * (COUNT - 1)
    assert our.posts() == 2


@pytest.mark.parametrize("event", [Event.ACCEPTED, Event.UNCERTAIN, Event.ADOPTED, Event.APPLIED])
def test_a_client_that_is_killed_repeatedly_pays_nothing_twice(our: Desk, event: Event) -> None:
    for before in (True, False, True):
        kill_at_event(our, event, before=before)
        try:
            LOST(our)
        except Killed:
            our.again()
    our.server.faults([])

    our.assert_paid_once(our.ask(COUNT))


# A process that is really killed.

SPEC = "specs/tiny.yaml"
# `probec` looks for a lost batch for ten minutes; this server lists a new batch at once.
PROBEC = """
from compiler import cli
from compiler.llm.batches import reconcile
reconcile._LOOKS = (0.0, 0.2, 0.4, 0.6, 1.0)
raise SystemExit(cli.main())
"""
ROLES = ("generator", "answerer", "judge")
# The server's ledger must show this before the next process is killed.
Moment = Callable[[dict[str, Json], int], bool]


def _batches(ledger: dict[str, Json]) -> list[dict[str, Json]]:
    return cast(list[dict[str, Json]], ledger["batches"])


def _answered_in_batches(ledger: dict[str, Json]) -> int:
    return cast(int, ledger["requests"]) - cast(int, ledger["messages"])


MOMENTS: dict[str, Moment] = {
    # A live reply in flight at a kill is paid for and lost, so wait until it is logged.
    "after the first message": lambda ledger, kept: ledger["messages"] == 1 and kept >= 1,
    "after the first batch": lambda ledger, kept: len(_batches(ledger)) == 1,
    "when a batch has ended": lambda ledger, kept: _answered_in_batches(ledger) >= 1,
    "when some of many are kept": lambda ledger, kept: (
        len(_batches(ledger)) >= 3 and kept < cast(int, ledger["requests"])
    ),
}


def _kept(project: Path) -> int:
    """Count the replies in the log of a project, read from outside."""
    path = project / ".probec/responses.sqlite"
    if not path.is_file():
        return 0
    try:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as db:
            return int(db.execute("select count(*) from reply").fetchone()[0])
    except sqlite3.Error:
        return 0


def _killed_when(moment: Moment, command: list[str], project: Path, server: Rehearsal) -> bool:
    """Run a command and kill it at the given moment; return False if it ended before."""
    child = subprocess.Popen(
        command,
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        while child.poll() is None:
            if moment(server.ledger(), _kept(project)):
                return True
            time.sleep(0.005)
        return False
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()


def _bodies(server: Rehearsal) -> Iterator[bytes]:
    """Return every distinct body that was ever in a batch."""
    seen = set()
    for path in (server.state / "batches").glob("*.body"):
        for each in json.loads(path.read_bytes())["requests"]:
            body = canonical(each["params"])
            if body not in seen:
                seen.add(body)
                yield body


@pytest.mark.long
def test_a_build_that_is_killed_four_times_pays_for_every_sample_once(
    project: Path, tmp_path: Path
) -> None:
    with Rehearsal.start(tmp_path / "server", latency=0.25) as server:
        command = [sys.executable, "-c", PROBEC, "build", SPEC]
        settings = {
            "rounds": "[{docs: 2}, {docs: 1}]",
            "scoring.rollouts": "2",
            "budget.max_usd": "100",
            "batches.poll_seconds": "0.2",
        }
        for role in ROLES:
            settings[f"models.{role}.provider"] = "anthropic-batch"
            settings[f"models.{role}.model"] = MODEL
            settings[f"models.{role}.base_url"] = server.base_url
        for name, value in settings.items():
            command += ["--set", f"{name}={value}"]

        for name, moment in MOMENTS.items():
            assert _killed_when(moment, command, project, server), name
        done = subprocess.run(
            command,
            cwd=project,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

        ledger = server.ledger()
        answered = cast(dict[str, int], ledger["answered"])
        log = ResponseLog(project / ".probec/responses.sqlite")
        batched = {
            hashlib.sha256(body).hexdigest(): sum(request_key(body, n) in log for n in range(64))
            for body in _bodies(server)
        }
        # Requests that were in no batch are the first of their kind, which are sent live.
        alone = dict.fromkeys(answered.keys() - batched.keys(), 1)
        assert answered == batched | alone
        assert sum(answered.values()) == len(log) > 20
        assert sum(spend.usd for spend in log.spent()) == pytest.approx(ledger["usd"])
        assert all(batch["status"] == "ended" for batch in _batches(ledger))
        log.close()
