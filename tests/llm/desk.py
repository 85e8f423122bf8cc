"""A rehearsal server, a clock that tests advance, and a dispatcher that sends batches to it."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

import pytest

from compiler.keys import Json
from compiler.llm.batches.clock import Pace
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Purpose, Request
from compiler.llm.prices import Rate
from compiler.llm.providers import Settings, provider
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal

MODEL = "claude-haiku-4-5-20251001"
LIMITS = Limits(100_000, 250_000_000, 200_000)
RATE = Rate(0.5, 2.5, live=2.0)


class TurnedClock:
    """A clock that sleeps by advancing the server's clock, so that days pass in a moment."""

    def __init__(self, server: Rehearsal) -> None:
        self.server = server
        self.offset = 0.0
        self.slept: list[float] = []

    def now(self) -> float:
        return time.time() + self.offset

    def sleep(self, seconds: float, woken: Callable[[], bool] = lambda: False) -> None:
        self.slept.append(seconds)
        if len(self.slept) > 3000:
            raise AssertionError("it never ends")
        self.server.advance(seconds)
        self.offset += seconds


@dataclass
class Desk:
    """One project's paid path. `again()` is the state of a new process."""

    root: Path
    server: Rehearsal
    clock: TurnedClock
    limits: Limits = LIMITS
    wall: float = 1000.0
    wait: bool = True
    base_url: str = ""
    notices: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.again()

    def again(self) -> Desk:
        """Open log, journal and dispatcher again, as after a crash."""
        for old in ("log", "journal"):
            if hasattr(self, old):
                connection = getattr(self, old)._connection
                if connection is not None:
                    connection.rollback()
                    connection.close()
        self.log = ResponseLog(self.root / "responses.sqlite")
        self.journal = Journal(self.root / "batches")
        self.purse = Purse(self.wall)
        pace = Pace(30.0, 300.0, self.wait)
        travel = BatchSettings(self.journal, self.limits, pace, self.clock, self)
        settings = Settings(self.base_url or self.server.base_url, 4, 600.0, self.purse, travel)
        purpose = Purpose("test", "answerer", 0, "anthropic-batch", MODEL, RATE, RATE.usd(1300, 80))
        self.dispatcher = Dispatcher(
            provider("anthropic-batch", settings), self.log, self.purse, purpose, lambda *_: None
        )
        return self

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Ignore the state of the batches."""

    def notice(self, text: str) -> None:
        """Keep the notice for the test."""
        self.notices.append(text)

    def request(self, number: int) -> Request:
        """Return the request of this number; requests of different numbers differ."""
        user = (
            f"<context>The {number}th ship left the harbour at dawn. It came back late.</context>"
            f"<question>What did ship {number} do?</question>"
        )
        return Request(MODEL, "Answer.", user, 800, None)

    def ask(self, count: int, samples: int = 1) -> list[str]:
        """Request and settle `count` requests; return their keys."""
        for number in range(count):
            self.dispatcher.want(self.request(number), range(samples), 0, f"request {number}")
        self.dispatcher.settle()
        return self.keys(count, samples)

    def keys(self, count: int, samples: int = 1) -> list[str]:
        """Return the keys of these requests."""
        return [
            key
            for number in range(count)
            for key in self.dispatcher.keys(self.request(number), range(samples))
        ]

    # The state of the server.

    def ledger(self) -> dict[str, Json]:
        return self.server.ledger()

    def ours(self) -> list[dict[str, Json]]:
        """List our batches at the server."""
        batches = cast(list[dict[str, Json]], self.ledger()["batches"])
        return [each for each in batches if not each["foreign"]]

    def answered(self) -> list[int]:
        """Return how often each distinct body was billed."""
        return [cast(int, n) for n in cast(dict[str, Json], self.ledger()["answered"]).values()]

    def posts(self) -> int:
        return cast(int, self.ledger()["posts"])

    def events(self, kind: str) -> int:
        return sum(event[2] == kind for event in self.journal.events())

    def booked(self) -> tuple[int, float]:
        """Return calls and dollars of our own ledger."""
        spent = self.log.spent()
        return sum(s.calls for s in spent), sum(s.usd for s in spent)

    def assert_paid_once(self, keys: list[str]) -> None:
        """Check that every key has a reply, each sample was billed once, and no request is open."""
        assert all(key in self.log for key in keys)
        assert len(self.log) == len(set(keys))
        assert sum(self.answered()) == len(set(keys))
        calls, usd = self.booked()
        assert calls == len(set(keys))
        assert usd == pytest.approx(self.ledger()["usd"])
        assert not [
            s
            for s in self.journal.shards()
            if s.state.value not in ("applied", "split", "discarded")
        ]
        with sqlite3.connect(self.journal.path) as db:
            assert db.execute("select count(*) from request").fetchone() == (0,)


@contextmanager
def desk(root: Path, **options: object) -> Iterator[Desk]:
    """Set up a desk with a new server; `limits`, `wall` and `wait` are the desk's own options."""
    given: dict[str, Any] = {"latency": 40, **options}
    own = {name: given.pop(name) for name in ("limits", "wall", "wait") if name in given}
    with Rehearsal.start(root / "server", **given) as server:
        yield Desk(root / "client", server, TurnedClock(server), **own)
