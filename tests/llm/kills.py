"""Simulated kills of a client: at a journal event or any write, before or after it is durable."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.states import Event
from tests.llm.desk import Desk


class Killed(BaseException):
    """The process was killed."""


def _die(our: Desk) -> None:
    # Data in memory is lost too: a killed process commits nothing.
    our.log.commit = lambda: None  # pyrefly: ignore[method-assign]
    raise Killed


def kill_at_event(our: Desk, at: Event, *, before: bool) -> None:
    """Kill the client when the journal first moves a shard by this event."""
    journal = our.journal
    real = journal.move
    left = 1

    def move(shard: Shard, event: Event, now: float, detail: str = "", **values: object) -> Shard:
        nonlocal left
        mine = event is at and left == 1
        left -= mine
        if mine and before:
            _die(our)
        done = real(shard, event, now, detail, **values)
        if mine:
            _die(our)
        return done

    journal.move = move  # pyrefly: ignore[method-assign]


def kill_at_write(our: Desk, number: int, *, before: bool) -> None:
    """Kill the client at the journal's write of this number, counted from 0 from now on."""
    journal: Journal = our.journal
    real = journal.transaction
    left = number

    @contextmanager
    def transaction() -> Iterator[sqlite3.Connection]:
        nonlocal left
        with real() as db:
            changes = db.total_changes
            yield db
            wrote = db.total_changes > changes
            mine = wrote and left == 0
            left -= wrote
            if mine and before:
                # Raised inside the transaction, so that SQLite rolls the write back.
                _die(our)
        if mine:
            _die(our)

    journal.transaction = transaction  # pyrefly: ignore[method-assign]
