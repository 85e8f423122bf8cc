"""The batch journal: shards, their requests and every event, in SQLite with full sync.

Every transition is committed before the side effect that follows it. Times are epoch seconds.
"""

from __future__ import annotations

import secrets
import sqlite3
import statistics
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from weakref import finalize

import msgspec
from msgspec import Struct

from compiler.errors import StoreError
from compiler.llm.batches import tables
from compiler.llm.batches.states import FINISHED, SENT, Event, State, after
from compiler.llm.messages import Purpose


class Shard(Struct, frozen=True):
    """One sealed body and its state. `label`: its builds, roles and rounds, for display.

    `sends`: number of POSTs. `looks`: consecutive searches, polls or fetches. `cuts`: number of
    incomplete downloads of its results. `next_at`: time of the next action.
    """

    id: int
    endpoint: str
    label: str
    state: State
    n: int
    bytes: int
    sha256: str
    expected_usd: float
    attempt: int
    sends: int = 0
    batch_id: str | None = None
    sent_at: float | None = None
    created_at: float | None = None
    expires_at: float | None = None
    next_at: float = 0.0
    looks: int = 0
    cuts: int = 0
    note: str = ""


class Sealed(Struct, frozen=True):
    """One request of a shard, with the offset and size of its parameters in the body."""

    ordinal: int
    key: str
    purpose: int
    at: int
    size: int


_COLUMNS = ", ".join(Shard.__struct_fields__)


class Journal:
    """The batches of a project: `journal.sqlite`, with sealed bodies and results beside it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.path = folder / "journal.sqlite"
        self._connection: sqlite3.Connection | None = None
        self._purposes: dict[int, Purpose] = {}
        # Requests for a cancellation from before this process began to send; None: not begun.
        self.cancel_requests: int | None = None
        # The workers of a live provider record their requests themselves.
        self._lock = threading.RLock()

    def exists(self) -> bool:
        """Return whether the journal has a file."""
        return self._connection is not None or self.path.is_file()

    def body(self, shard: int) -> Path:
        """Return the path of a shard's sealed body."""
        return self.folder / f"{shard:06d}.body.json"

    def results(self, shard: int) -> Path:
        """Return the path of a shard's raw results."""
        return self.folder / f"{shard:06d}.results.jsonl"

    @property
    def nonce(self) -> str:
        """Return the six hex digits that mark the custom ids of this journal."""
        with self.transaction() as db:
            found = db.execute("select nonce from run").fetchone()
            if found is None:
                found = (secrets.token_hex(3),)
                db.execute("insert into run values (?)", found)
            return str(found[0])

    def purpose_id(self, purpose: Purpose) -> int:
        """Return the number of a purpose, which is stored if it is new."""
        value = msgspec.json.encode(purpose)
        with self.transaction() as db:
            db.execute("insert or ignore into purpose (value) values (?)", (value,))
            found = db.execute("select id from purpose where value = ?", (value,)).fetchone()
        return int(found[0])

    def purpose(self, number: int) -> Purpose:
        """Return the purpose with a number."""
        if number not in self._purposes:
            with self.transaction() as db:
                row = db.execute("select value from purpose where id = ?", (number,)).fetchone()
            self._purposes[number] = msgspec.json.decode(row[0], type=Purpose)
        return self._purposes[number]

    def proven(self, endpoint: str, shape: str) -> bool:
        """Return whether the endpoint has accepted a request of this shape before."""
        with self.transaction() as db:
            sql = "select 1 from shape where endpoint = ? and digest = ?"
            return db.execute(sql, (endpoint, shape)).fetchone() is not None

    def prove(self, endpoint: str, shape: str) -> None:
        """Record that the endpoint accepted a request of this shape."""
        with self.transaction() as db:
            db.execute("insert or ignore into shape values (?, ?)", (endpoint, shape))

    def next_id(self) -> int:
        """Return the id for the next shard."""
        with self.transaction() as db:
            return int(db.execute("select coalesce(max(id), 0) + 1 from shard").fetchone()[0])

    def seal(self, shard: Shard, requests: Iterable[Sealed]) -> None:
        """Add a shard, whose body is already durable on disk, with its requests."""
        values = [getattr(shard, name) for name in Shard.__struct_fields__]
        marks = ", ".join("?" * len(values))
        with self.transaction() as db:
            db.execute(f"insert into shard ({_COLUMNS}) values ({marks})", values)
            db.executemany(
                "insert into request values (?, ?, ?, ?, ?, ?)",
                (
                    (shard.id, r.ordinal, bytes.fromhex(r.key), r.purpose, r.at, r.size)
                    for r in requests
                ),
            )

    def where(self, key: str) -> str | None:
        """Return the endpoint that has, or may have, a request of this key; otherwise None."""
        if not self.exists():
            return None
        marks = ", ".join("?" * len(SENT))
        sql = (
            "select shard.endpoint from request join shard on shard.id = request.shard"
            f" where request.key = ? and shard.state in ({marks})"
        )
        with self.transaction() as db:
            found = db.execute(sql, (bytes.fromhex(key), *(s.value for s in SENT))).fetchone()
        return None if found is None else str(found[0])

    def flying(self, build: str) -> dict[str, int]:
        """Return, by role, how many requests of a build are, or may be, with a server."""
        if not self.exists():
            return {}
        marks = ", ".join("?" * len(SENT))
        sql = (
            "select request.purpose, count(*) from request join shard on shard.id = request.shard"
            f" where shard.state in ({marks}) group by request.purpose"
        )
        with self.transaction() as db:
            rows = db.execute(sql, [state.value for state in SENT]).fetchall()
        found: Counter[str] = Counter()
        for number, count in rows:
            purpose = self.purpose(number)
            if purpose.build == build:
                found[purpose.role] += count
        return dict(found)

    def is_elsewhere(self, key: str, shard: int) -> bool:
        """Return whether another open shard has a request of this key."""
        with self.transaction() as db:
            sql = "select 1 from request where key = ? and shard != ?"
            return db.execute(sql, (bytes.fromhex(key), shard)).fetchone() is not None

    def requests(self, shard: int) -> dict[int, Sealed]:
        """Return the requests of a shard by ordinal."""
        with self.transaction() as db:
            rows = db.execute(
                "select ordinal, key, purpose, at, size from request where shard = ?"
                " order by ordinal",
                (shard,),
            )
            return {r[0]: Sealed(r[0], r[1].hex(), *r[2:]) for r in rows}

    def shards(self, states: Sequence[State] | None = None, endpoint: str = "") -> list[Shard]:
        """Return the shards in these states and at this endpoint (default: all), oldest first."""
        if not self.exists():
            return []
        with self.transaction() as db:
            rows = db.execute(f"select {_COLUMNS} from shard order by id").fetchall()
        found = [_shard(row) for row in rows]
        return [
            shard
            for shard in found
            if (states is None or shard.state in states) and endpoint in ("", shard.endpoint)
        ]

    def move(
        self, shard: Shard, event: Event, now: float, detail: str = "", **values: object
    ) -> Shard:
        """Apply an event and set columns, durably; return the new shard. Raises as `after` does."""
        state = after(shard.state, event)
        with self.transaction() as db:
            self._set(db, shard.id, {"state": state.value, **values})
            self._event(db, now, shard.id, event.value, detail)
            if state in FINISHED:
                db.execute("delete from request where shard = ?", (shard.id,))
        return self.shard(shard.id)

    def update(self, shard: Shard, **values: object) -> Shard:
        """Set columns other than the state; return the updated shard."""
        with self.transaction() as db:
            self._set(db, shard.id, values)
        return self.shard(shard.id)

    def shard(self, number: int) -> Shard:
        """Return the shard with an id."""
        with self.transaction() as db:
            row = db.execute(f"select {_COLUMNS} from shard where id = ?", (number,)).fetchone()
        return _shard(row)

    def note(self, now: float, kind: str, detail: str, shard: int | None = None) -> None:
        """Record an event that changes no state."""
        with self.transaction() as db:
            self._event(db, now, shard, kind, detail)

    def events(self, shard: int | None = None) -> list[tuple[float, int | None, str, str]]:
        """Return the events of a shard (default: all) in order: (time, shard, kind, detail)."""
        with self.transaction() as db:
            rows = db.execute("select at, shard, kind, detail from event order by seq").fetchall()
        return [row for row in rows if shard in (None, row[1])]

    def count(self, kind: str) -> int:
        """Return the number of events of a kind."""
        if not self.exists():
            return 0
        with self.transaction() as db:
            found = db.execute("select count(*) from event where kind = ?", (kind,)).fetchone()
        return int(found[0])

    def usual_seconds(self, endpoint: str) -> float | None:
        """Return the median duration of the endpoint's last twenty batches, None before one."""
        with self.transaction() as db:
            sql = (
                "select ended.at - accepted.at from event ended join event accepted"
                " on accepted.shard = ended.shard join shard on shard.id = ended.shard"
                " where ended.kind = ? and accepted.kind = ? and shard.endpoint = ?"
                " order by ended.seq desc limit 20"
            )
            rows = db.execute(sql, (Event.ENDED.value, Event.ACCEPTED.value, endpoint)).fetchall()
        return statistics.median(row[0] for row in rows) if rows else None

    def suspect(self, batch_id: str, shard: Shard) -> None:
        """Record a batch that may be a duplicate of a shard's batch."""
        with self.transaction() as db:
            db.execute(
                "insert or ignore into suspect values (?, ?, ?, 'open', 0)",
                (batch_id, shard.endpoint, shard.id),
            )

    def judge(self, batch_id: str, verdict: str, usd: float) -> None:
        """Record the verdict on a suspect, `duplicate` or `foreign`, and its cost in US dollars."""
        with self.transaction() as db:
            db.execute(
                "update suspect set verdict = ?, usd = ? where batch_id = ?",
                (verdict, usd, batch_id),
            )

    def drop_suspect(self, batch_id: str) -> None:
        """Remove a batch from the suspects."""
        with self.transaction() as db:
            db.execute("delete from suspect where batch_id = ?", (batch_id,))

    def first_sent(self, shard: Shard) -> float:
        """Return the time at which a shard was first sent."""
        with self.transaction() as db:
            sql = "select min(at) from event where shard = ? and kind = ?"
            found = db.execute(sql, (shard.id, Event.INTENT.value)).fetchone()[0]
        return float(found if found is not None else shard.sent_at or 0.0)

    def last(self, shard: Shard, kind: Event) -> float | None:
        """Return the time of an event's last occurrence for a shard, None if there was none."""
        with self.transaction() as db:
            sql = "select max(at) from event where shard = ? and kind = ?"
            found = db.execute(sql, (shard.id, kind.value)).fetchone()[0]
        return None if found is None else float(found)

    def suspects(self) -> list[tuple[str, str, int, str, float]]:
        """Return all suspects: (batch id, endpoint, shard, verdict, US dollars if duplicate)."""
        if not self.exists():
            return []
        with self.transaction() as db:
            return db.execute("select * from suspect order by rowid").fetchall()

    def known_ids(self) -> set[str]:
        """Return the ids of all batches that belong to a shard or are or were suspects."""
        with self.transaction() as db:
            rows = db.execute(
                "select batch_id from shard where batch_id is not null"
                " union select batch_id from suspect"
            )
            return {row[0] for row in rows}

    def in_flight_usd(self) -> float:
        """Return the expected US dollars of the shards that are, or may be, with a server."""
        return sum(shard.expected_usd for shard in self.shards(SENT))

    def close(self) -> None:
        """Close the file."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    @staticmethod
    def _set(db: sqlite3.Connection, shard: int, values: dict[str, object]) -> None:
        names = ", ".join(f"{name} = ?" for name in values)
        db.execute(f"update shard set {names} where id = ?", (*values.values(), shard))

    @staticmethod
    def _event(
        db: sqlite3.Connection, now: float, shard: int | None, kind: str, detail: str
    ) -> None:
        db.execute(
            "insert into event (at, shard, kind, detail) values (?, ?, ?, ?)",
            (now, shard, kind, detail[:1000]),
        )

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run the block in a transaction: durable when it ends, undone when it raises."""
        try:
            with self._lock:
                if self._connection is None:
                    self._connection = self._opened()
                with self._connection:
                    yield self._connection
        except (sqlite3.Error, OSError) as error:
            # Exactly this class, not a subclass, is raised for a file that is no valid database.
            broken = type(error) is sqlite3.DatabaseError
            raise StoreError(
                f"the batch journal cannot be used: {error}",
                where=str(self.path),
                hint=_BROKEN
                if broken
                else "free some space or make it writable, and run the same command again; do not "
                "delete it while batches are open",
            ) from error

    def _opened(self) -> sqlite3.Connection:
        self.folder.mkdir(parents=True, exist_ok=True)
        connection = sqlite3.connect(self.path, timeout=60.0, check_same_thread=False)
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        connection.executescript(tables.SCHEMA)
        finalize(self, connection.close)
        return connection


_BROKEN = (
    "restore it from a copy; without one, move it aside and check the provider's console first: a "
    "build without this journal does not know of open batches and would pay for them again"
)


def _shard(row: tuple[object, ...]) -> Shard:
    values = dict(zip(Shard.__struct_fields__, row, strict=True))
    return msgspec.convert(values, Shard)
