"""The cost ledger of a response log: bookings by build, role and round."""

from __future__ import annotations

import sqlite3

from msgspec import Struct

from compiler.llm.messages import Purpose, Reply

SCHEMA = """
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
ALL = "select * from spend order by build, round, role, provider"


class Spend(Struct, frozen=True):
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


class Ledger:
    """Bookings that are not written yet, by account."""

    def __init__(self) -> None:
        self._booked: dict[tuple[str | int, ...], list[float]] = {}

    def book(self, purpose: Purpose, reply: Reply) -> None:
        """Book the cost of a reply."""
        account = purpose.build, purpose.role, purpose.round, purpose.provider, purpose.model
        sums = self._booked.setdefault(account, [0, 0.0, 0, 0, 0, 0, 0.0])
        sums[0] += 1
        sums[1] += purpose.expected_usd
        sums[2] += reply.input_tokens
        sums[3] += reply.output_tokens
        sums[4] += reply.cache_write_tokens
        sums[5] += reply.cache_read_tokens
        sums[6] += reply.usd(purpose.rate)

    def write(self, connection: sqlite3.Connection) -> None:
        """Write the bookings since the last commit, in the transaction of their replies."""
        for account in list(self._booked):
            connection.execute(_BOOK, (*account, *self._booked[account]))
            del self._booked[account]
