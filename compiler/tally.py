"""The number of replies that were ever committed to a response log, in a file beside it.

The log counts its replies itself, in the transaction that stores them. The file is written after
the commit, so it never exceeds what the log holds, whenever a process is killed. A log without its
`-wal` file opens as a valid older one, which this number reveals.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

from compiler.errors import StoreError

SCHEMA = """
create table if not exists tally (
  id integer primary key check (id = 0),
  replies integer not null
);
"""
# Counts all rows once, in a log that an earlier version wrote.
_FIRST = """
insert into tally
  select 0, (select count(*) from reply) + (select count(*) from retired)
  where not exists (select 1 from tally)
"""
_GET = "select replies from tally"
_TABLES = "select name from sqlite_master where type = 'table'"
BUSY_MS = 60_000
"""How long a statement waits for another process that writes the log."""
_PATIENCE_MS = 1000


class Tally:
    """The count of the log at a path: `responses.sqlite.count`."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._path = log.with_name(f"{log.name}.count")

    def committed(self) -> int:
        """Return the number of replies committed according to the file."""
        try:
            return int(self._path.read_text("ascii"))
        except (FileNotFoundError, ValueError):
            # Only a power failure leaves no number; the next opening writes it again.
            return 0

    def begin(self, connection: sqlite3.Connection, committed: int) -> None:
        """Start the counting in an opened log; `committed`: as read before it was opened."""
        row = connection.execute(_GET).fetchone()
        if row is None:
            connection.execute(_FIRST)
            connection.commit()
            row = connection.execute(_GET).fetchone()
        if row[0] > committed:
            # Written by an earlier version, or by a process that was killed.
            self.record(connection)

    def record(self, connection: sqlite3.Connection, *, lower: bool = False) -> None:
        """Raise the number in the file to that of the committed replies; `lower`: or reduce it.

        The log is locked against other writers meanwhile, so that no process writes an older number
        over a newer one.
        """
        with contextlib.suppress(OSError, sqlite3.OperationalError):
            # A full disk or a busy log: the replies are durable, and the next time corrects this.
            connection.execute(f"pragma busy_timeout = {_PATIENCE_MS}")
            connection.execute("begin immediate")
            (held,) = connection.execute(_GET).fetchone()
            if held > self.committed() or (lower and held < self.committed()):
                part = self._path.with_name(f"{self._path.name}.part")
                with part.open("w", encoding="ascii") as out:
                    out.write(f"{held}\n")
                    out.flush()
                    os.fsync(out.fileno())
                os.replace(part, self._path)
        connection.rollback()
        connection.execute(f"pragma busy_timeout = {BUSY_MS}")

    def error(self, held: int, committed: int) -> StoreError:
        """Return the error for a log that lacks committed replies."""
        return StoreError(
            f"the log holds {held:,} replies, {committed:,} were committed",
            where=str(self._log),
            hint=f"bring back {self._log.name}-wal, or `probec cache recover`, or `probec cache "
            "pull`; to start over deliberately move .probec away",
        )


def connect(log: Path) -> sqlite3.Connection:
    """Connect to a log. Any thread may close it, because the garbage collector runs in any."""
    return sqlite3.connect(log, timeout=BUSY_MS / 1000, check_same_thread=False)


def held(connection: sqlite3.Connection) -> int:
    """Return the number of replies that were ever stored in a log; write nothing."""
    tables = {row[0] for row in connection.execute(_TABLES)}
    row = connection.execute(_GET).fetchone() if "tally" in tables else None
    if row is not None:
        return int(row[0])
    stored = tables & {"reply", "retired"}
    return sum(connection.execute(f"select count(*) from {t}").fetchone()[0] for t in stored)


def add(connection: sqlite3.Connection, new: int) -> None:
    """Count new replies, in their transaction."""
    connection.execute("update tally set replies = replies + ?", (new,))
