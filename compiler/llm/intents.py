"""Intents of live requests in the journal, durable before a request goes out.

A live reply that is lost, with a killed process or on its way, may have been billed, and no server
can be asked for it: only the intents tell how many such replies there may be.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Callable, Sequence

from msgspec import Struct, field

from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal
from compiler.llm.messages import Call, Purpose

_SEND = """
insert into live values (?, ?, ?, ?, 1)
on conflict do update set sends = sends + 1, at = excluded.at, endpoint = excluded.endpoint
"""
_AGAIN = "insert into again values (?, ?) on conflict do update set sends = sends + excluded.sends"


class Count(Struct):
    """Live requests by role, with their expected US dollars."""

    roles: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0

    def add(self, purpose: Purpose, requests: int) -> None:
        """Count requests of a purpose."""
        self.roles[purpose.role] += requests
        self.usd += purpose.expected_usd * requests

    @property
    def requests(self) -> int:
        """Return the number of requests."""
        return self.roles.total()

    def text(self) -> str:
        """Format the count: `3 live requests (2 generator, 1 judge; about $0.05)`."""
        listed = ", ".join(f"{count:,} {role}" for role, count in sorted(self.roles.items()))
        count = f"{self.requests:,} live request{'s' if self.requests != 1 else ''}"
        return f"{count} ({listed}; about ${self.usd:,.2f})"


class Intents:
    """The live requests of a project that were sent and have no logged reply yet.

    Used by the worker threads that send them.
    """

    def __init__(self, journal: Journal, clock: Clock) -> None:
        self._journal = journal
        self._clock = clock
        self._numbers: dict[Purpose, int] = {}
        # Rows that are not committed yet, in order, and the turn to commit them.
        self._waiting: list[tuple[bytes, int, str, float]] = []
        self._turn = threading.Lock()

    def send(self, call: Call, endpoint: str) -> None:
        """Record that a request is about to be sent, perhaps not for the first time.

        Durable on return. The workers that wait for their turn share one commit, because each is a
        write to the disk.
        """
        if call.purpose not in self._numbers:
            self._numbers[call.purpose] = self._journal.purpose_id(call.purpose)
        row = bytes.fromhex(call.key), self._numbers[call.purpose], endpoint, self._clock.now()
        self._waiting.append(row)
        with self._turn:
            if not any(each is row for each in self._waiting):
                return  # another worker has committed it
            rows = [*self._waiting]
            try:
                with self._journal.transaction() as db:
                    db.executemany(_SEND, rows)
            except BaseException:
                # Its request will not be sent; the other workers try again with theirs.
                self._waiting.remove(row)
                raise
            del self._waiting[: len(rows)]

    def unserved(self, call: Call) -> None:
        """Record that the last attempt of a request was certainly not served."""
        key = (bytes.fromhex(call.key),)
        with self._journal.transaction() as db:
            db.execute("update live set sends = sends - 1 where key = ?", key)
            db.execute("delete from live where key = ? and sends < 1", key)


def end(journal: Journal, logged: Sequence[str], unlogged: Sequence[str] = ()) -> None:
    """Close intents and count what may have been billed without a reply of its own in the log.

    `logged`: keys whose replies are in the log; `unlogged`: keys that got none.
    """
    with journal.transaction() as db:
        for keys, replies in ((logged, 1), (unlogged, 0)):
            for key in map(bytes.fromhex, keys):
                sql = "select purpose, sends from live where key = ?"
                found = db.execute(sql, (key,)).fetchone()
                if found is not None and found[1] > replies:
                    db.execute(_AGAIN, (found[0], found[1] - replies))
                db.execute("delete from live where key = ?", (key,))


def close_lost(journal: Journal, logged: Callable[[str], bool]) -> Count:
    """Close the intents that an earlier run left, and count those whose replies are lost.

    No other run may be in progress. `logged`: returns whether a key has a reply; the run was then
    killed just before it could close the intent.
    """
    found = Count()
    ended = []
    gone = []
    for key, purpose, sends in _rows(journal):
        if logged(key):
            ended.append(key)
        else:
            found.add(purpose, sends)
            gone.append(key)
    if ended or gone:
        end(journal, ended, gone)
    return found


def unanswered(journal: Journal) -> Count:
    """Count the requests that are out now, or were when a run ended."""
    found = Count()
    for _, purpose, sends in _rows(journal):
        found.add(purpose, sends)
    return found


def unlogged(journal: Journal) -> Count:
    """Count the closed sendings that may have been billed and brought no reply into the log."""
    found = Count()
    if journal.exists():
        with journal.transaction() as db:
            rows = db.execute("select purpose, sends from again").fetchall()
        for purpose, sends in rows:
            found.add(journal.purpose(purpose), sends)
    return found


def _rows(journal: Journal) -> list[tuple[str, Purpose, int]]:
    if not journal.exists():
        return []
    with journal.transaction() as db:
        rows = db.execute("select key, purpose, sends from live order by at").fetchall()
    return [(key.hex(), journal.purpose(purpose), sends) for key, purpose, sends in rows]
