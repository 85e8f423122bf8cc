"""The response log: every reply ever paid for, by request key. Append-only; only users delete it.

One SQLite file (WAL, full sync) with zstd-compressed values: crash-safe, safe under two processes,
one value per key. The first value of a key stays: replies are data, not something to redo. A user
who asks for a key again retires its reply, which is kept beside the new one. What each reply cost
is booked in the transaction that keeps it.

A row carries a digest over its key and its packed value, so that a flipped byte is found. Rows of
earlier versions have none until a round that uses them is sealed.
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


BROKEN = (
    "move it aside, never delete it, and bring back what there is a copy of: `probec cache pull`"
)
"""What is left to do with a file that is no database any more."""


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

    def is_empty(self) -> bool:
        """Whether there is no reply."""
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
        """The reply to a request key, if there is one.

        Raises:
            DamagedError: its row is not what was written.
        """
        text = self.text(key)
        with self._translated(key):
            return None if text is None else self._decoder.decode(text)

    def get_all(self, keys: Sequence[str]) -> list[Reply | None]:
        """The replies to some request keys, in one question; raises as `get` does."""
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
        """The reply to a request key as the JSON text that is kept; raises as `get` does."""
        if not self._exists():
            return None
        raw = bytes.fromhex(key)
        with self._translated(key):
            sql = "select value, digest from reply where key = ?"
            row = self._open().execute(sql, (raw,)).fetchone()
            return None if row is None else self._checked(key, raw, *row)

    def _checked(self, key: str, raw: bytes, value: bytes, digest: bytes | None) -> bytes:
        if digest is not None and digest != _row_digest(raw, value):
            raise self._damaged(key, "its value is not what was written")
        return self._unpack.decompress(value)

    def put(self, key: str, reply: Reply, purpose: Purpose | None = None) -> bool:
        """Keep a reply and book its cost; durable after the next `commit`.

        A key that has a reply keeps it, and nothing is booked: the same results may be applied
        twice after a crash. Returns whether the reply was new.
        """
        with self._translated():
            new = self._insert(key, msgspec.json.encode(well_formed(reply)))
            if new and purpose is not None:
                self._book(purpose, reply)
        return new

    def adopt(self, key: str, text: bytes) -> bool:
        """Take over a reply from another log, as `text` gave it; an existing one stays.

        Nothing is booked: somebody else paid. Durable after the next `commit`. Returns whether it
        was new.

        Raises:
            DamagedError: the text is no reply.
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
        """Give the rows of these keys that an earlier version wrote a digest each."""
        with self._translated():
            connection = self._open()
            # All rows are looked at once, to list those; where none is left, no key is looked up.
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
        """What is wrong with the file itself, beside its rows; None when it is whole."""
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
            # Keys come in no order: what of their index is not in memory is read for every one.
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
            hint="`probec cache pull` brings it back from a copy; `probec verify` lists all",
        )

    @contextmanager
    def _translated(self, key: str = "") -> Iterator[None]:
        try:
            yield
        except (sqlite3.Error, OSError) as error:
            hints = {
                **dict.fromkeys(("SQLITE_NOTADB", "SQLITE_CORRUPT"), BROKEN),
                "SQLITE_BUSY": "another process writes it: wait until that has ended, and run the "
                "same command again",
            }
            raise StoreError(
                f"the response log cannot be used: {error}",
                where=str(self.path),
                hint=hints.get(
                    getattr(error, "sqlite_errorname", ""),
                    "check the disk and its permissions; never delete it to mend a build",
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
        # Another process did it since we looked; anything else would show again here.
        if not any(row[1] == "digest" for row in connection.execute(_COLUMNS)):
            raise
