"""Failed requests of a response log: the error of each call that ended without a message."""

from __future__ import annotations

import sqlite3

from compiler.llm.messages import Purpose

SCHEMA = """
create table if not exists failure (
  key blob primary key,
  build text not null,
  role text not null,
  error text not null,
  kept integer not null
) without rowid;
"""
# A kept failure is the reply itself; any other was answered if there is a reply.
_ALL = (
    "select key, role, error from failure"
    " where build = ? and kept = (key in (select key from reply)) order by key"
)
_FORGET = "delete from failure where build = ? and role = ? and not kept"


def add(db: sqlite3.Connection, key: str, purpose: Purpose, error: str, kept: bool) -> None:
    """Record a failed call. `kept`: its error is an outcome in the log, not to be sent again."""
    row = bytes.fromhex(key), purpose.build, purpose.role, error, kept
    db.execute("insert or replace into failure values (?, ?, ?, ?, ?)", row)


def forget(db: sqlite3.Connection, purpose: Purpose) -> None:
    """Forget the failed calls of a build and role that are not outcomes in the log."""
    db.execute(_FORGET, (purpose.build, purpose.role))


def of(db: sqlite3.Connection, build: str) -> list[tuple[str, str, str]]:
    """Return (key, role, error) of the failed calls of a build that were not answered since."""
    return [(key.hex(), role, error) for key, role, error in db.execute(_ALL, (build,))]
