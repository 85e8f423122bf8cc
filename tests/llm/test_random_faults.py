"""Random faults and random kills, by seed; the server's ledger and files are the oracle.

With PROBEC_FAULT_SEEDS=300 in the environment the first 300 schedules are tried instead of the
default ones, with PROBEC_FAULT_SEEDS=17-17 only that one. A failure shows its schedule.
"""

from __future__ import annotations

import hashlib
import json
import os
import random
import sqlite3
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import pytest

from compiler.errors import ProbecError
from compiler.keys import Json
from compiler.llm.batches.shards import Limits
from compiler.llm.batches.states import FINISHED, Event, State, after
from compiler.llm.messages import Outcome, encode
from compiler.rehearsal.process import Rehearsal
from tests.llm.desk import RATE, Desk, TurnedClock
from tests.llm.kills import Killed, kill_at_write

_USUAL = "12"
BODIES, SAMPLES = 100, 2
LATENCY = 40.0
_BILLED = (Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED)
_Rule = dict[str, Json]


def _seeds() -> range:
    first, _, last = os.environ.get("PROBEC_FAULT_SEEDS", _USUAL).rpartition("-")
    return range(int(first), int(last) + 1) if first else range(int(last))


@pytest.fixture(autouse=True)
def _key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "test-key")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


class StillClock(TurnedClock):
    """A clock that advances only in sleeps, with the server's, so that a seed is deterministic."""

    def __init__(self, server: Rehearsal) -> None:
        super().__init__(server)
        # The server's times are whole seconds, so start far from a change of second.
        server.advance(0.5 - server.now() % 1)
        self.start = server.now()

    def now(self) -> float:
        return self.start + self.offset


@dataclass
class Schedule:
    """Scheduled faults. `deaths`: the write at which each client dies, and on which side of it."""

    rules: list[_Rule] = field(default_factory=list)
    deaths: list[tuple[int, bool]] = field(default_factory=list)
    limit: int = 60

    @classmethod
    def draw(cls, seed: int) -> Schedule:
        """Draw the schedule of a seed."""
        draw = random.Random(seed)
        found = cls(limit=draw.choice([40, 60, 90]))
        for _ in range(draw.randint(4, 16)):
            at = draw.choices(list(_KINDS), [4, 2, 2, 3, 3])[0]
            found.rules.append({"at": at, **_KINDS[at](draw)})
        for _ in range(draw.randint(0, 4)):
            found.deaths.append((draw.randint(0, 40), draw.random() < 0.5))
        return found


def _transport(draw: random.Random, *statuses: int) -> dict[str, Json]:
    """Draw a lost response, or one that the route would not give."""
    if draw.random() < 0.4:
        return {"drop": draw.choice(["before_read", "after_commit"])}
    status = draw.choice(statuses)
    do: dict[str, Json] = {"status": status}
    if draw.random() < 0.3:
        do["html"] = f"<h1>{status}</h1>"
    if status in (429, 529) and draw.random() < 0.5:
        do["headers"] = {"retry-after": str(draw.choice([0, 7, 1000]))}
    return do


def _create(draw: random.Random) -> _Rule:
    do = _transport(draw, 500, 502, 529, 429, 413, 404)
    # A server that reports an error of its own may have accepted the batch nevertheless.
    if cast(int, do.get("status", 0)) >= 500:
        do["commit"] = draw.random() < 0.5
    if draw.random() < 0.5:
        # Shorter than the client looks for the batch, so it is never sent twice.
        do["hide"] = draw.uniform(1, 500)
    return {"do": do, "times": draw.randint(1, 2), "skip": draw.randint(0, 4)}


def _retrieve(draw: random.Random) -> _Rule:
    fields: list[dict[str, Json]] = [
        {"processing_status": "paused"},
        {"processing_status": "ended"},
        {"request_counts": None},
        {"request_counts": {"succeeded": "all"}},
        {"id": 7},
        {"results_url": None},
        {"created_at": "yesterday"},
        {"expires_at": "2020-01-01T00:00:00Z"},
    ]
    do: dict[str, Json] = (
        {"fields": draw.choice(fields)}
        if draw.random() < 0.5
        else _transport(draw, 500, 502, 529, 429, 404)
    )
    return {"do": do, "times": draw.randint(1, 4), "skip": draw.randint(0, 6)}


def _list(draw: random.Random) -> _Rule:
    do: dict[str, Json] = (
        {draw.choice(["ignore_after_id", "empty_has_more"]): True}
        if draw.random() < 0.3
        else _transport(draw, 500, 502, 529, 429, 404)
    )
    return {"do": do, "times": draw.randint(1, 3), "skip": draw.randint(0, 3)}


def _results(draw: random.Random) -> _Rule:
    kind = draw.random()
    if kind < 0.35:
        cut: dict[str, Json] = {"mode": draw.choice(["close", "length", "chunked"])}
        cut[draw.choice(["lines", "bytes"])] = draw.randint(0, 60)
        do: dict[str, Json] = {"truncate": cut}
    elif kind < 0.7:
        names = ["shuffle", "duplicate", "blank_tail", "crlf", "foreign_line", "u2028", "drop_line"]
        do = {"transform": cast(Json, draw.sample(names, draw.randint(1, 4)))}
    else:
        do = _transport(draw, 500, 502, 529, 429, 404)
    return {"do": do, "times": draw.randint(1, 3), "skip": draw.randint(0, 3)}


def _request(draw: random.Random) -> _Rule:
    kinds = ["api_error", "overloaded_error", "timeout_error", "rate_limit_error", "bad"]
    kind = draw.choice([*kinds, "expired", "canceled", "unknown", "max_tokens", "refusal"])
    do: dict[str, Json]
    if kind in ("expired", "canceled"):
        do = {kind: True}
    elif kind == "unknown":
        do = {"unknown": "paused"}
    elif kind in ("max_tokens", "refusal"):
        do = {"stop_reason": kind}
    else:
        name = "invalid_request_error" if kind == "bad" else kind
        do = {"errored": {"type": name, "message": "injected"}, "flat": draw.random() < 0.3}
    rule: _Rule = {"do": do, "times": draw.randint(1, 2), "skip": draw.randint(0, 3)}
    if kind == "bad" or draw.random() < 0.5:
        rule["index"] = cast(Json, sorted(draw.sample(range(40), draw.randint(1, 2))))
    else:
        rule["share"] = draw.uniform(0.02, 0.9)
    return rule


_KINDS = {
    "create": _create,
    "retrieve": _retrieve,
    "list": _list,
    "results": _results,
    "request": _request,
}


@pytest.fixture
def server(tmp_path: Path, forked_servers: None) -> Iterator[Rehearsal]:
    with Rehearsal.start(tmp_path / "server", latency=LATENCY, speed=0, echo=True) as found:
        yield found


def _live(our: Desk, schedule: Schedule) -> list[str]:
    """Run the client until it is done; after each scheduled kill a new client starts."""
    deaths = list(schedule.deaths)
    for _ in range(60):
        our.again()
        if deaths:
            number, before = deaths.pop(0)
            kill_at_write(our, number, before=before)
        try:
            return our.ask(BODIES, SAMPLES)
        except (Killed, ProbecError):
            our.clock.sleep(60.0)
    raise AssertionError("it never ends")


def _succeeded(server: Rehearsal, batch: str) -> list[tuple[str, float]]:
    """Yield the billed requests of a batch: the digest of each body, and its price."""
    folder = server.state / "batches"
    sent = json.loads((folder / f"{batch}.body").read_bytes())["requests"]
    digests = {
        each["custom_id"]: hashlib.sha256(
            json.dumps(
                each["params"], ensure_ascii=False, sort_keys=True, separators=(",", ":")
            ).encode()
        ).hexdigest()
        for each in sent
    }
    found = []
    for raw in (folder / f"{batch}.results").read_bytes().splitlines():
        line = json.loads(raw)
        if line["result"]["type"] == "succeeded":
            usage = line["result"]["message"]["usage"]
            usd = RATE.usd(usage["input_tokens"], usage["output_tokens"])
            found.append((digests[line["custom_id"]], usd))
    return found


def _replayed(our: Desk) -> dict[int, State]:
    """Compute the state of every shard from the events alone."""
    found = {shard.id: State.SEALED for shard in our.journal.shards()}
    moves = set(Event)
    for _, shard, kind, _ in our.journal.events():
        if shard is not None and kind in moves:
            found[shard] = after(found[shard], Event(kind))
    return found


def _check(schedule: Schedule, server: Rehearsal, folder: Path) -> None:
    """Run a schedule, then compare our log, journal and ledger with the server's."""
    clock = StillClock(server)
    limits = Limits(schedule.limit, 250_000_000, 200_000)
    our = Desk(folder, server, clock, limits=limits)
    server.faults(schedule.rules)

    keys = _live(our, schedule)
    # The next run that sends anything decides whether suspected batches are duplicates.
    server.faults([])
    clock.sleep(3600.0)
    our.again()
    more = our.request(BODIES)
    our.dispatcher.want(more, range(1), 0, "one more")
    our.dispatcher.settle()
    keys += our.dispatcher.keys(more, range(1))

    # Every key is final, once.
    assert len(set(keys)) == len(keys) == len(our.log) == BODIES * SAMPLES + 1
    # An unanswered request costs nothing, so it is in no ledger.
    answered = [key for key in keys if our.dispatcher.reply(key).outcome in _BILLED]
    assert len(keys) - len(answered) <= 3
    assert our.booked()[0] == len(answered)

    # Every body was billed once for each of its billed replies, and once for each duplicate.
    expected: Counter[int] = Counter()
    numbers: dict[str, int] = {}
    for number in range(BODIES + 1):
        body = encode(our.dispatcher.provider, our.request(number))
        numbers[hashlib.sha256(body).hexdigest()] = number
        for key in our.dispatcher.keys(our.request(number), range(SAMPLES)):
            if key in keys:
                expected[number] += our.dispatcher.reply(key).outcome in _BILLED
    twice = 0.0
    for batch, _, _, verdict, _ in our.journal.suspects():
        assert verdict == "duplicate", schedule
        for digest, usd in _succeeded(server, batch):
            expected[numbers[digest]] += 1
            twice += usd
    ledger = our.ledger()
    billed = Counter({numbers[d]: n for d, n in cast(dict[str, int], ledger["answered"]).items()})
    assert not {
        number: (billed[number], n) for number, n in expected.items() if billed[number] != n
    }, schedule

    # Our dollars equal the server's.
    assert our.booked()[1] + twice == pytest.approx(cast(float, ledger["usd"]))

    # No request is open, and the events explain each state.
    states = {shard.id: shard.state for shard in our.journal.shards()}
    assert set(states.values()) <= {*FINISHED} - {State.LOST}
    assert _replayed(our) == states
    with sqlite3.connect(our.journal.path) as db:
        assert db.execute("select count(*) from request").fetchone() == (0,)


@pytest.mark.parametrize("seed", _seeds())
def test_under_any_faults_every_key_is_final_once_and_all_costs_are_known(
    seed: int, server: Rehearsal, tmp_path: Path
) -> None:
    _check(Schedule.draw(seed), server, tmp_path / "client")


def test_a_seed_always_draws_the_same_schedule() -> None:
    assert Schedule.draw(5) == Schedule.draw(5) != Schedule.draw(6)
