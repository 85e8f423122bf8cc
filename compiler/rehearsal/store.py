"""The persistent state of the server, in one SQLite file. Each thread opens its own connection."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path

from compiler.rehearsal.clock import DAY

_SCHEMA = """
create table if not exists meta (name text primary key, value text not null);
create table if not exists total (name text primary key, value real not null);
create table if not exists answered (params blob primary key, times integer not null) without rowid;
create table if not exists prefix (digest blob primary key) without rowid;
create table if not exists batch (
  seq integer primary key,
  id text not null unique,
  own integer unique,
  version text not null,
  n integer not null,
  bytes integer not null,
  sha256 text not null,
  created real not null,
  visible real not null,
  latency real,
  cancel real,
  ended real,
  status text not null,
  succeeded integer not null,
  errored integer not null,
  canceled integer not null,
  expired integer not null
);
create index if not exists open_batch on batch (seq) where ended is null;
"""


@dataclass(frozen=True, slots=True)
class Batch:
    """A batch; times are virtual seconds since the epoch, or None if they have not come.

    `own`: index among the client's batches, None for another customer's. `n`: number of requests.
    `visible`: when it appears in lists. `latency`: seconds to process it, None for a batch that
    never ends by itself. `cancel`: when it was canceled.
    """

    seq: int
    id: str
    own: int | None
    version: str
    n: int
    bytes: int
    sha256: str
    created: float
    visible: float
    latency: float | None
    cancel: float | None
    ended: float | None
    status: str
    succeeded: int
    errored: int
    canceled: int
    expired: int

    @property
    def expires(self) -> float:
        """The time at which unanswered requests expire."""
        return self.created + DAY

    @property
    def archived(self) -> float:
        """The time at which the results are removed."""
        return self.created + 29 * DAY

    @property
    def due(self) -> float | None:
        """The time at which it ends, None for never."""
        if self.cancel is not None:
            return self.cancel
        if self.latency is None:
            return None
        return min(self.created + self.latency, self.expires)

    @property
    def reached(self) -> int:
        """The number of requests that are answered when it ends."""
        due = self.due
        if due is None or self.latency is None:
            return 0
        if due >= self.created + self.latency:
            return self.n
        return int(self.n * max(0.0, due - self.created) / self.latency)

    @property
    def counts(self) -> dict[str, int]:
        """The request counts as the API reports them, which change only at the end."""
        return {
            "processing": 0 if self.ended is not None else self.n,
            "succeeded": self.succeeded,
            "errored": self.errored,
            "canceled": self.canceled,
            "expired": self.expired,
        }


_COLUMNS = ", ".join(field.name for field in fields(Batch))


class Store:
    """A connection to the state."""

    def __init__(self, path: Path) -> None:
        self._db = sqlite3.connect(path, isolation_level=None, timeout=60)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_SCHEMA)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Run the block in a transaction."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def get(self, name: str) -> str | None:
        """Return a named text, None if it is not set."""
        row = self._db.execute("select value from meta where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def put(self, name: str, value: str) -> None:
        """Set a named text."""
        self._db.execute("insert or replace into meta values (?, ?)", (name, value))

    def add(self, name: str, amount: float) -> None:
        """Add to a total."""
        self._db.execute(
            "insert into total values (?, ?) on conflict do update set value = value + ?",
            (name, amount, amount),
        )

    def totals(self) -> dict[str, float]:
        """Return every total by name."""
        return dict(self._db.execute("select name, value from total"))

    def times(self, params: bytes) -> int:
        """Return how often params with this digest were answered."""
        row = self._db.execute("select times from answered where params = ?", (params,)).fetchone()
        return 0 if row is None else int(row[0])

    def answer(self, times: Iterable[tuple[bytes, int]]) -> None:
        """Count responses, by params digest."""
        self._db.executemany(
            "insert into answered values (?, ?)"
            " on conflict do update set times = times + excluded.times",
            times,
        )

    def answered(self) -> dict[str, int]:
        """Return how often each params digest, in hex, was answered."""
        return {key.hex(): times for key, times in self._db.execute("select * from answered")}

    def has_prefix(self, digest: bytes) -> bool:
        """Return True if a prompt prefix is in the cache."""
        query = "select 1 from prefix where digest = ?"
        return self._db.execute(query, (digest,)).fetchone() is not None

    def keep_prefixes(self, digests: Iterable[bytes]) -> None:
        """Add prompt prefixes to the cache."""
        self._db.executemany("insert or ignore into prefix values (?)", ((d,) for d in digests))

    def own_count(self) -> int:
        """Count the batches that the client created."""
        return int(self._db.execute("select count(own) from batch").fetchone()[0])

    def queued(self) -> int:
        """Count the requests in open batches."""
        query = "select coalesce(sum(n), 0) from batch where ended is null"
        return int(self._db.execute(query).fetchone()[0])

    def next_seq(self) -> int:
        """Return the sequence number of the next batch."""
        return int(self._db.execute("select coalesce(max(seq), 0) + 1 from batch").fetchone()[0])

    def insert(self, batch: Batch) -> None:
        """Add a batch."""
        marks = ", ".join("?" * len(fields(Batch)))
        values = [getattr(batch, field.name) for field in fields(Batch)]
        self._db.execute(f"insert into batch ({_COLUMNS}) values ({marks})", values)

    def update(self, batch: Batch) -> None:
        """Write the mutable fields of a batch."""
        self._db.execute(
            "update batch set cancel = ?, ended = ?, status = ?, succeeded = ?, errored = ?,"
            " canceled = ?, expired = ? where seq = ?",
            (
                batch.cancel,
                batch.ended,
                batch.status,
                batch.succeeded,
                batch.errored,
                batch.canceled,
                batch.expired,
                batch.seq,
            ),
        )

    def find(self, batch_id: str) -> Batch | None:
        """Return a batch by its id, None if it is unknown or deleted."""
        found = self._select("where id = ? and status != 'deleted'", batch_id)
        return found[0] if found else None

    def open(self) -> list[Batch]:
        """Return every batch that has not ended, oldest first."""
        return self._select("where ended is null order by seq")

    def all(self) -> list[Batch]:
        """Return every batch, deleted ones included, oldest first."""
        return self._select("order by seq")

    def page(self, now: float, bound: str, seq: int, limit: int) -> list[Batch]:
        """Return at most `limit` listed batches, newest first.

        `bound`: "all", or those "older" or "newer" than the batch with number `seq`.
        """
        where, order = {
            "all": ("seq > ?", "desc"),
            "older": ("seq < ?", "desc"),
            "newer": ("seq > ?", "asc"),
        }[bound]
        found = self._select(
            f"where status != 'deleted' and visible <= ? and {where} order by seq {order} limit ?",
            now,
            seq,
            limit,
        )
        return sorted(found, key=lambda batch: -batch.seq)

    def _select(self, rest: str, *values: object) -> list[Batch]:
        rows = self._db.execute(f"select {_COLUMNS} from batch {rest}", values)
        return [Batch(*row) for row in rows]
