"""The response log: every reply by request key. Append-only; only the user deletes it.

One SQLite file (WAL, full sync) with zstd-compressed values: crash-safe, safe under two processes,
one value per key. The first value of a key stays, because a sampled reply cannot be reproduced.
`probec retry` retires a reply, which is kept beside the new one. The cost of a reply is booked in
the transaction that stores it.

A row carries a digest over its key and its compressed value, so that a flipped byte is detected.
Rows of earlier versions have none until a round that uses them is sealed.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import msgspec
import zstandard

from compiler.errors import DamagedError, StoreError
from compiler.llm.messages import Purpose, Reply, well_formed

_AT_ONCE = 500

_SCHEMA = """
create table if not exists reply (
  id integer primary key,
  key blob not null unique,
  value blob not null,
  digest blob
);
create table if not exists retired (
  id integer primary key,
  key blob not null,
  value blob not null
);
create table if not exists spend (
  build text not null, role text not null, round integer not null,
  provider text not null, model text not null,
  calls integer not null, expected_usd real not null,
  input_tokens integer not null, output_tokens integer not null,
  cache_write_tokens integer not null, cache_read_tokens integer not null,
  usd real not null,
  primary key (build, role, round, provider, model)
);
"""
_UNDIGESTED = "create index if not exists undigested on reply (key) where digest is null"
_CACHE_KIB = 64 << 10
_COLUMNS = "pragma table_info(reply)"
_BOOK = """
insert into spend values (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)
on conflict do update set
  calls = calls + excluded.calls,
  expected_usd = expected_usd + excluded.expected_usd,
  input_tokens = input_tokens + excluded.input_tokens,
  output_tokens = output_tokens + excluded.output_tokens,
  cache_write_tokens = cache_write_tokens + excluded.cache_write_tokens,
  cache_read_tokens = cache_read_tokens + excluded.cache_read_tokens,
  usd = usd + excluded.usd
"""


@dataclass(frozen=True, slots=True)
class Spend:
    """Expected and actual cost of one role in one round of a build."""

    build: str
    role: str
    round: int
    provider: str
    model: str
    calls: int
    expected_usd: float
    input_tokens: int
    output_tokens: int
    cache_write_tokens: int
    cache_read_tokens: int
    usd: float


BROKEN = (
    "move it aside, do not delete it, and restore the replies from a copy with `probec cache pull`"
)
"""The hint for a log file that is no longer a valid database."""


class ResponseLog:
    """The replies of a project, in `.probec/responses.sqlite`, which is opened at first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
        self._booked: dict[tuple[str | int, ...], list[float]] = {}
        self._pack = zstandard.ZstdCompressor(level=3)
        self._unpack = zstandard.ZstdDecompressor()
        self._decoder = msgspec.json.Decoder(Reply)

    def __contains__(self, key: str) -> bool:
        if not self._exists():
            return False
        with self._translated():
            found = self._open().execute("select 1 from reply where key = ?", (bytes.fromhex(key),))
            return found.fetchone() is not None

    def is_empty(self) -> bool:
        """Return whether the log has no reply."""
        if not self._exists():
            return True
        with self._translated():
            return self._open().execute("select 1 from reply limit 1").fetchone() is None

    def __len__(self) -> int:
        if not self._exists():
            return 0
        with self._translated():
            (count,) = self._open().execute("select count(*) from reply").fetchone()
            return int(count)

    def get(self, key: str) -> Reply | None:
        """Return the reply to a request key, or None.

        Raises:
            DamagedError: the row does not match its digest or cannot be decoded.
        """
        text = self.text(key)
        with self._translated(key):
            return None if text is None else self._decoder.decode(text)

    def get_all(self, keys: Sequence[str]) -> list[Reply | None]:
        """Return the reply to each of some request keys, or None, in one query.

        Raises:
            DamagedError: as `get`.
        """
        if not keys or not self._exists():
            return [None] * len(keys)
        places = ",".join("?" * len(keys))
        sql = f"select key, value, digest from reply where key in ({places})"
        with self._translated():
            rows = self._open().execute(sql, [*map(bytes.fromhex, keys)]).fetchall()
        found = {raw.hex(): (raw, value, digest) for raw, value, digest in rows}
        replies: list[Reply | None] = []
        for key in keys:
            if key not in found:
                replies.append(None)
                continue
            try:
                replies.append(self._decoder.decode(self._checked(key, *found[key])))
            except (zstandard.ZstdError, msgspec.DecodeError) as error:
                raise self._damaged(key, str(error)) from error
        return replies

    def text(self, key: str) -> bytes | None:
        """Return the reply to a request key as the stored JSON text, or None.

        Raises:
            DamagedError: the row does not match its digest or cannot be decompressed.
        """
        if not self._exists():
            return None
        raw = bytes.fromhex(key)
        with self._translated(key):
            sql = "select value, digest from reply where key = ?"
            row = self._open().execute(sql, (raw,)).fetchone()
            return None if row is None else self._checked(key, raw, *row)

    def _checked(self, key: str, raw: bytes, value: bytes, digest: bytes | None) -> bytes:
        if digest is not None and digest != _row_digest(raw, value):
            raise self._damaged(key, "its value does not match its digest")
        return self._unpack.decompress(value)

    def put(self, key: str, reply: Reply, purpose: Purpose | None = None) -> bool:
        """Store a reply and book its cost; return whether it is new. Durable after `commit`.

        A key that has a reply keeps it, and nothing is booked, because after a crash the same
        results may be applied twice.
        """
        with self._translated():
            new = self._insert(key, msgspec.json.encode(well_formed(reply)))
            if new and purpose is not None:
                self._book(purpose, reply)
        return new

    def adopt(self, key: str, text: bytes) -> bool:
        """Store a reply of another log, as its `text` returned it; return whether it is new.

        An existing reply stays. Nothing is booked, because it was paid for elsewhere. Durable after
        the next `commit`.

        Raises:
            DamagedError: the text is not a reply.
        """
        with self._translated(key):
            self._decoder.decode(text)
            return self._insert(key, text)

    def _insert(self, key: str, text: bytes) -> bool:
        raw, value = bytes.fromhex(key), self._pack.compress(text)
        done = self._open().execute(
            "insert or ignore into reply (key, value, digest) values (?, ?, ?)",
            (raw, value, _row_digest(raw, value)),
        )
        return done.rowcount == 1

    def seal(self, keys: Iterable[str]) -> None:
        """Add a digest to each row of these keys that an earlier version wrote without one."""
        with self._translated():
            connection = self._open()
            # Creating the partial index scans all rows once; if it is empty, no key is looked up.
            connection.execute(_UNDIGESTED)
            if connection.execute("select 1 from reply where digest is null").fetchone() is None:
                return
            left = map(bytes.fromhex, keys)
            while raws := [*islice(left, _AT_ONCE)]:
                places = ",".join("?" * len(raws))
                sql = f"select key, value from reply where key in ({places}) and digest is null"
                for raw, value in connection.execute(sql, raws).fetchall():
                    self._decoder.decode(self._unpack.decompress(value))
                    connection.execute(
                        "update reply set digest = ? where key = ?", (_row_digest(raw, value), raw)
                    )
            connection.commit()

    def fault(self) -> str | None:
        """Return the integrity errors of the database file, or None; digests are not checked."""
        if not self._exists():
            return None
        try:
            rows = self._open().execute("pragma integrity_check(3)").fetchall()
        except sqlite3.Error as error:
            return str(error)
        found = "; ".join(str(row[0]).splitlines()[-1] for row in rows)
        return None if found == "ok" else found

    def _book(self, purpose: Purpose, reply: Reply) -> None:
        account = purpose.build, purpose.role, purpose.round, purpose.provider, purpose.model
        sums = self._booked.setdefault(account, [0, 0.0, 0, 0, 0, 0, 0.0])
        sums[0] += 1
        sums[1] += purpose.expected_usd
        sums[2] += reply.input_tokens
        sums[3] += reply.output_tokens
        sums[4] += reply.cache_write_tokens
        sums[5] += reply.cache_read_tokens
        sums[6] += reply.usd(purpose.rate)

    def _write_book(self) -> None:
        """Write the bookings since the last commit, in the transaction of their replies."""
        for account in list(self._booked):
            self._open().execute(_BOOK, (*account, *self._booked[account]))
            del self._booked[account]

    def spent(self) -> list[Spend]:
        """Return the cost ledger, ordered by build, round, role and provider."""
        if not self._exists():
            return []
        with self._translated():
            self._write_book()
            rows = self._open().execute("select * from spend order by build, round, role, provider")
            return [Spend(*row) for row in rows]

    def retire(self, keys: Iterable[str]) -> int:
        """Retire the replies to these keys, so that they are requested again; return their number.

        A retired reply stays in the file.
        """
        count = 0
        with self._translated():
            connection = self._open()
            for key in keys:
                raw = (bytes.fromhex(key),)
                connection.execute(
                    "insert into retired (key, value) select key, value from reply where key = ?",
                    raw,
                )
                count += connection.execute("delete from reply where key = ?", raw).rowcount
        self.commit()
        return count

    def commit(self) -> None:
        """Make all replies and bookings so far durable."""
        if self._connection is not None:
            with self._translated():
                self._write_book()
                self._connection.commit()

    def rollback(self) -> None:
        """Undo all replies and bookings since the last commit."""
        if self._connection is not None:
            with self._translated():
                self._booked.clear()
                self._connection.rollback()

    def close(self) -> None:
        """Commit and close the file."""
        if self._connection is not None:
            self.commit()
            self._connection.close()
            self._connection = None

    def _exists(self) -> bool:
        return self._connection is not None or self.path.exists()

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(self.path, timeout=60.0)
            connection.execute("pragma journal_mode = wal")
            connection.execute("pragma synchronous = full")
            # Keys arrive in random order, so index pages that are not cached are read from disk for
            # every key.
            connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
            connection.executescript(_SCHEMA)
            if not any(row[1] == "digest" for row in connection.execute(_COLUMNS)):
                _add_digests(connection)
            self._connection = connection
        return self._connection

    def _damaged(self, key: str, what: str) -> DamagedError:
        return DamagedError(
            f"the reply to request {key[:12]} is damaged: {what}",
            where=str(self.path),
            hint="restore it from a copy with `probec cache pull`; `probec verify` lists all",
        )

    @contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            hints = {
                **dict.fromkeys(("SQLITE_NOTADB", "SQLITE_CORRUPT"), BROKEN),
                "SQLITE_BUSY": "another process is writing it: wait until that ends, then run the "
                "same command again",
            }
            raise StoreError(
                f"the response log cannot be used: {error}",
                where=str(self.path),
                hint=hints.get(
                    getattr(error, "sqlite_errorname", ""),
                    "check the disk and its permissions; do not delete the log to fix a build",
                ),
            ) from error
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise self._damaged(key, str(error)) from error


def _row_digest(key: bytes, value: bytes) -> bytes:
    return hashlib.sha256(key + value).digest()[:16]


def _add_digests(connection: sqlite3.Connection) -> None:
    try:
        connection.execute("alter table reply add column digest blob")
    except sqlite3.OperationalError:
        # Another process may have added the column meanwhile; any other error is raised.
        if not any(row[1] == "digest" for row in connection.execute(_COLUMNS)):
            raise
