"""The response log: every reply ever paid for, by request key. Append-only; only users delete it.

One SQLite file (WAL, full sync) with zstd-compressed values: crash-safe, safe under two processes,
one value per key. The first value of a key stays: replies are data, not something to redo. A user
who asks for a key again retires its reply, which is kept beside the new one. What each reply cost
is booked in the transaction that keeps it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import zstandard

from compiler.errors import StoreError
from compiler.llm.messages import Purpose, Reply

_SCHEMA = """
create table if not exists reply (
  id integer primary key,
  key blob not null unique,
  value blob not null
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
    """What one role of one round of a build was expected to cost, and cost."""

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


class ResponseLog:
    """The replies of a project, in `.probec/responses.sqlite`. Opens its file at first use."""

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

    def __len__(self) -> int:
        if not self._exists():
            return 0
        with self._translated():
            (count,) = self._open().execute("select count(*) from reply").fetchone()
            return int(count)

    def get(self, key: str) -> Reply | None:
        """The reply to a request key, if there is one."""
        if not self._exists():
            return None
        with self._translated():
            row = (
                self._open()
                .execute("select value from reply where key = ?", (bytes.fromhex(key),))
                .fetchone()
            )
            return None if row is None else self._decoder.decode(self._unpack.decompress(row[0]))

    def put(self, key: str, reply: Reply, purpose: Purpose | None = None) -> bool:
        """Keep a reply and book its cost; durable after the next `commit`.

        A key that has a reply keeps it, and nothing is booked: the same results may be applied
        twice after a crash. Returns whether the reply was new.
        """
        value = self._pack.compress(msgspec.json.encode(reply))
        with self._translated():
            done = self._open().execute(
                "insert or ignore into reply (key, value) values (?, ?)",
                (bytes.fromhex(key), value),
            )
            new = done.rowcount == 1
            if new and purpose is not None:
                self._book(purpose, reply)
        return new

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
        """What was booked since the last commit, in the same transaction as its replies."""
        for account in list(self._booked):
            self._open().execute(_BOOK, (*account, *self._booked[account]))
            del self._booked[account]

    def spent(self) -> list[Spend]:
        """The cost ledger, by build, role and round."""
        if not self._exists():
            return []
        with self._translated():
            self._write_book()
            rows = self._open().execute("select * from spend order by build, round, role, provider")
            return [Spend(*row) for row in rows]

    def retire(self, keys: Iterable[str]) -> int:
        """Forget the replies to these keys, so that they are asked again; each is kept aside."""
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
        """Make everything put so far durable."""
        if self._connection is not None:
            with self._translated():
                self._write_book()
                self._connection.commit()

    def rollback(self) -> None:
        """Drop what was put since the last commit."""
        if self._connection is not None:
            with self._translated():
                self._booked.clear()
                self._connection.rollback()

    def close(self) -> None:
        """Commit and close."""
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
            connection.executescript(_SCHEMA)
            self._connection = connection
        return self._connection

    @contextmanager
    def _translated(self) -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            raise StoreError(
                f"the response log cannot be used: {error}",
                where=str(self.path),
                hint="check the disk and its permissions; never delete it to mend a build",
            ) from error
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise StoreError(
                f"a reply in the response log is damaged: {error}", where=str(self.path)
            ) from error
