"""Intents of several workers in one commit."""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pytest

from compiler.errors import StoreError
from compiler.llm.batches.clock import WallClock
from compiler.llm.batches.journal import Journal
from compiler.llm.intents import Intents
from compiler.llm.messages import Request
from compiler.llm.providers.replay import Replay
from tests.llm.parts import wanted

WORKERS = 6


class Slow(Journal):
    """A journal whose first commit takes until the other workers wait; `broken`: and fails."""

    broken = False
    commits = 0

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with super().transaction() as db:
            yield db
            self.commits += 1
            if self.commits == 1:
                time.sleep(0.3)
                if self.broken:
                    raise StoreError("no space left")


def sent(journal: Slow) -> list[Future[None]]:
    recorder = Intents(journal, WallClock())
    calls = [wanted(Replay(), Request("m", "s", f"u{n}", 50, None)) for n in range(WORKERS)]
    recorder._numbers[calls[0].purpose] = 1
    ready = threading.Barrier(WORKERS)

    def send(number: int) -> None:
        ready.wait()
        recorder.send(calls[number], "http://x")

    with ThreadPoolExecutor(WORKERS) as pool:
        return [pool.submit(send, number) for number in range(WORKERS)]


def rows(journal: Journal) -> int:
    with sqlite3.connect(journal.path) as other:
        return int(other.execute("select count(*) from live").fetchone()[0])


def test_workers_that_wait_share_a_commit(tmp_path: Path) -> None:
    journal = Slow(tmp_path)
    for each in sent(journal):
        each.result()

    assert rows(journal) == WORKERS
    assert journal.commits < WORKERS
    journal.close()


def test_a_commit_that_fails_records_no_request(tmp_path: Path) -> None:
    journal = Slow(tmp_path)
    journal.broken = True
    failed = [each for each in sent(journal) if each.exception() is not None]

    with pytest.raises(StoreError, match="no space left"):
        failed[0].result()
    assert len(failed) == 1
    # The others are committed by a worker of their own.
    assert rows(journal) == WORKERS - 1
    journal.close()
