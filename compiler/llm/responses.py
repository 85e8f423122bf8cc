"""The response log: every reply by request key. Append-only; only the user deletes it.

One SQLite file (WAL, full sync) with zstd-compressed values: crash-safe, safe under two processes,
one value per key. The first value of a key stays, because a sampled reply cannot be reproduced.
`probec retry` retires a reply, which is kept beside the new one. The cost of a reply is booked in
the transaction that stores it.

A row carries a digest over its key and its compressed value, so that a flipped byte is detected.
Rows of earlier versions have none until a round that uses them is sealed.

Beside the log, a file has the number of replies committed so far, compared at each opening.
"""

from __future__ import annotations

import hashlib
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from weakref import finalize

import msgspec
import zstandard

from compiler import tally
from compiler.errors import DamagedError, StoreError
from compiler.llm import failures, ledger
from compiler.llm.ledger import Ledger, Spend
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
"""
_UNDIGESTED = "create index if not exists undigested on reply (key) where digest is null"
_CACHE_KIB = 64 << 10
_COLUMNS = "pragma table_info(reply)"

BROKEN = (
    "move it aside, do not delete it, and restore the replies from a copy with `probec cache pull`"
)
"""The hint for a log file that is no longer a valid database."""


class ResponseLog:
    """The replies of a project, in `.probec/responses.sqlite`, which is opened at first use.

    `incomplete`: open the log even if it lacks committed replies, to restore them.
    """

    def __init__(self, path: Path, *, incomplete: bool = False) -> None:
        self.path = path
        self._tally = tally.Tally(path)
        self._incomplete = incomplete
        self._connection: sqlite3.Connection | None = None
        self._new = 0  # replies stored since the last commit
        self._ledger = Ledger()
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

    def version(self) -> int:
        """Return a number that changes when another process has written to the log."""
        with self._translated():
            return int(self._open().execute("pragma data_version").fetchone()[0])

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
                self._ledger.book(purpose, reply)
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
        self._new += done.rowcount
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
        self.commit()

    def fault(self) -> str | None:
        """Return the errors of the log as a whole, or None; digests are not checked."""
        try:
            if not self._exists():
                return None
            rows = self._open().execute("pragma integrity_check(3)").fetchall()
        except StoreError as error:
            return error.message
        except sqlite3.Error as error:
            return str(error)
        found = "; ".join(str(row[0]).splitlines()[-1] for row in rows)
        return None if found == "ok" else found

    def spent(self) -> list[Spend]:
        """Return the cost ledger, ordered by build, round, role and provider."""
        if not self._exists():
            return []
        with self._translated():
            connection = self._open()
            self._ledger.write(connection)
            return [Spend(*row) for row in connection.execute(ledger.ALL)]

    def fail(self, key: str, purpose: Purpose, error: str, *, kept: bool) -> None:
        """Record a call that ended without a message. `kept`: as an outcome in the log."""
        with self._translated():
            failures.add(self._open(), key, purpose, error, kept)

    def forget_failures(self, purpose: Purpose) -> None:
        """Forget the failures of a build and role that are about to be sent again, durably."""
        with self._translated():
            if self._exists():
                failures.forget(self._open(), purpose)
        self.commit()  # an open transaction would keep other processes from writing

    def failures(self, build: str) -> list[tuple[str, str, str]]:
        """Return (key, role, error) of a build's failed calls that have no message since."""
        with self._translated():
            return failures.of(self._open(), build) if self._exists() else []

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
                connection.execute("delete from failure where key = ?", raw)
        self.commit()
        return count

    def commit(self) -> None:
        """Make all replies and bookings so far durable."""
        if self._connection is not None:
            with self._translated():
                self._ledger.write(self._connection)
                new, self._new = self._new, 0
                if new:
                    tally.add(self._connection, new)
                self._connection.commit()
                if new:
                    self._tally.record(self._connection)

    def rollback(self) -> None:
        """Undo all replies and bookings since the last commit."""
        if self._connection is not None:
            with self._translated():
                self._ledger = Ledger()
                self._new = 0
                self._connection.rollback()

    def close(self) -> None:
        """Commit and close the file."""
        if self._connection is not None:
            self.commit()
            self._connection.close()
            self._connection = None

    def copy(self, to: Path) -> None:
        """Write a consistent copy of the log to a new file; others may write meanwhile."""
        with self._translated():
            self._open().execute("vacuum into ?", (str(to),))

    def missing(self) -> int:
        """Return the number of committed replies that the log lacks."""
        with self._translated():
            committed = self._tally.committed()
            return max(0, committed - tally.held(self._open())) if committed else 0

    def accept_loss(self) -> None:
        """Accept that committed replies are lost, so that the log can be used again."""
        with self._translated():
            self._tally.record(self._open(), lower=True)

    def retired(self) -> set[str]:
        """Return the keys of the retired replies."""
        if not self._exists():
            return set()
        with self._translated():
            rows = self._open().execute("select key from retired").fetchall()
        return {row[0].hex() for row in rows}

    def _exists(self) -> bool:
        """Return whether there is a log. Raises StoreError if there was one with replies."""
        if self._connection is not None or self.path.exists():
            return True
        if self._incomplete:
            return False
        with self._translated():
            committed = self._tally.committed()
        if committed:
            raise self._tally.error(0, committed)
        return False

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            # Read before the log, which other processes may extend meanwhile.
            committed = self._tally.committed()
            if committed and not self._incomplete and not self.path.exists():
                raise self._tally.error(0, committed)
            self.path.parent.mkdir(parents=True, exist_ok=True)
            connection = tally.connect(self.path)
            try:
                # Before any write, after which a `-wal` file that a user brings back fits no more.
                held = tally.held(connection)
                if committed > held and not self._incomplete:
                    raise self._tally.error(held, committed)
                self._prepare(connection, committed)
            except BaseException:
                connection.close()
                raise
            self._connection = connection
            finalize(self, connection.close)
        return self._connection

    def _prepare(self, connection: sqlite3.Connection, committed: int) -> None:
        connection.execute("pragma journal_mode = wal")
        connection.execute("pragma synchronous = full")
        # Keys arrive in random order, so index pages that are not cached are read from disk for
        # every key.
        connection.execute(f"pragma cache_size = -{_CACHE_KIB}")
        connection.executescript(_SCHEMA + ledger.SCHEMA + failures.SCHEMA + tally.SCHEMA)
        if not any(row[1] == "digest" for row in connection.execute(_COLUMNS)):
            _add_digests(connection)
        self._tally.begin(connection, committed)

    def _damaged(self, key: str, what: str) -> DamagedError:
        return DamagedError(
            f"the reply to request {key[:12]} is damaged: {what}",
            where=str(self.path),
            hint="restore it from a copy with `probec cache pull`, or send its request again with "
            "`probec retry SPEC --reason damaged`; `probec verify` lists all",
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
