"""Costs of the response log at the size of a published dataset: put, get, open, disk.

usage: python -m benchmarks.response_log [ENTRIES] [--chars N]   (default 2,000,000 of 600)

Replies are slices of real text, so they compress like prose. Half of the reads are of keys that do
not exist. A plain SQLite table with the same values, uncompressed, is the floor of `put` and
`get`.
"""

from __future__ import annotations

import argparse
import hashlib
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from benchmarks import machine, recombine
from compiler.commands.arguments import at_least_one
from compiler.llm.messages import Outcome, Reply
from compiler.llm.responses import ResponseLog
from compiler.report.terminal import table

FULL = 2_000_000
_COMMIT = 1000
_READS = 20_000


def key(number: int) -> str:
    """Return the key of an entry."""
    return hashlib.sha256(b"%d" % number).hexdigest()


def texts(chars: int) -> Callable[[int], str]:
    """Return a function from a number to a reply: a slice of real text at a place of that number.

    Raises:
        SystemExit: if there is too little text.
    """
    docs = [part for found in recombine.paragraphs().values() for doc in found for part in doc]
    whole = " ".join(docs)

    if chars >= len(whole):
        raise SystemExit(f"a reply has at most {len(whole) - 1:,} characters here")

    def text(number: int) -> str:
        at = (number * 7919) % (len(whole) - chars)
        return whole[at : at + chars]

    return text


def entries(count: int, chars: int) -> Iterator[tuple[str, Reply]]:
    """Yield keys with replies."""
    text = texts(chars)
    for number in range(count):
        reply = Reply(Outcome.OK, text(number), "model", "end_turn", 1300, 80, f"req_{number}", "")
        yield key(number), reply


def timed(work: Callable[[], object], calls: int) -> tuple[float, float]:
    """Return (CPU, wall-clock) microseconds per call."""
    started, begun = time.process_time(), time.monotonic()
    work()
    return (
        1e6 * (time.process_time() - started) / calls,
        1e6 * (time.monotonic() - begun) / calls,
    )


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("entries", type=at_least_one, nargs="?", default=FULL)
    parser.add_argument("--chars", type=at_least_one, default=600)
    args = parser.parse_args()
    print(machine.described())
    with tempfile.TemporaryDirectory() as folder:
        measure(Path(folder), args.entries, args.chars)


def measure(folder: Path, count: int, chars: int) -> None:
    """Fill a log, read it and open it again; then do the same with a bare table."""
    path = folder / "responses.sqlite"
    log = ResponseLog(path)

    def fill() -> None:
        for number, (name, reply) in enumerate(entries(count, chars)):
            log.put(name, reply)
            if number % _COMMIT == _COMMIT - 1:
                log.commit()
        log.commit()

    reads = min(_READS, count)
    there = [key((number * 104_729) % count) for number in range(reads)]
    gone = [key(count + number) for number in range(reads)]

    def reopen() -> None:
        fresh = ResponseLog(path)
        assert fresh.get(there[0]) is not None
        fresh.close()

    rows = [("generate the entries", *timed(lambda: sum(1 for _ in entries(count, chars)), count))]
    rows.append(("put, with the above", *timed(fill, count)))
    rows.append(("get", *timed(lambda: [log.get(name) for name in there], reads)))
    rows.append(("absent", *timed(lambda: [name in log for name in gone], reads)))
    log.close()
    rows.append(("open and look up one", *timed(reopen, 1)))
    rows += floor(folder / "floor.sqlite", count, chars, there)
    size = path.stat().st_size
    print(f"{count:,} replies of {chars:,} characters, {_COMMIT:,} a commit")
    print(table(("operation", "CPU us", "wall us"), rows))
    print(f"{size / count:,.0f} B a reply on disk, {size / 1e6:,.0f} MB in all")


def floor(path: Path, count: int, chars: int, there: list[str]) -> list[tuple[str, float, float]]:
    """Measure a table of keys and texts that SQLite's own module writes and reads."""
    connection = sqlite3.connect(path)
    connection.execute("pragma journal_mode = wal")
    connection.execute("pragma synchronous = full")
    connection.execute("create table reply (key blob not null unique, value text not null)")

    def fill() -> None:
        for number, (name, reply) in enumerate(entries(count, chars)):
            connection.execute("insert into reply values (?, ?)", (bytes.fromhex(name), reply.text))
            if number % _COMMIT == _COMMIT - 1:
                connection.commit()
        connection.commit()

    def read() -> None:
        for name in there:
            raw = (bytes.fromhex(name),)
            connection.execute("select value from reply where key = ?", raw).fetchone()

    found = [
        ("floor: put, with the above", *timed(fill, count)),
        ("floor: get", *timed(read, len(there))),
    ]
    connection.close()
    return found


if __name__ == "__main__":
    main()
