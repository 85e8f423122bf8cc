"""The response log: every reply ever paid for, by request key. Append-only; only users delete it.

One SQLite file (WAL, full sync) with zstd-compressed values: crash-safe, safe under two processes,
one value per key. The first value of a key stays: replies are data, not something to redo.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zstandard

from compiler.errors import StoreError
from compiler.llm.messages import Reply

_SCHEMA = """
create table if not exists reply (
  id integer primary key,
  key blob not null unique,
  value blob not null
)
"""


class ResponseLog:
    """The replies of a project, in `.probec/responses.sqlite`. Opens its file at first use."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._connection: sqlite3.Connection | None = None
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

    def put(self, key: str, reply: Reply) -> None:
        """Keep a reply; durable after the next `commit`. A key that has one keeps the first."""
        value = self._pack.compress(msgspec.json.encode(reply))
        with self._translated():
            self._open().execute(
                "insert or ignore into reply (key, value) values (?, ?)",
                (bytes.fromhex(key), value),
            )

    def commit(self) -> None:
        """Make everything put so far durable."""
        if self._connection is not None:
            with self._translated():
                self._connection.commit()

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
            connection.execute(_SCHEMA)
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
