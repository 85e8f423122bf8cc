"""Committed replies that the log lacks are detected at its next opening; a kill is no alarm."""

from __future__ import annotations

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiler.errors import StoreError
from compiler.llm.messages import Outcome, Reply
from compiler.llm.responses import ResponseLog
from tests.conftest import ROOT

KEYS = [f"{number:064x}" for number in range(12)]
WRITER = """
import sys
from pathlib import Path
from compiler.llm.messages import Outcome, Reply
from compiler.llm.responses import ResponseLog
log, first, count = ResponseLog(Path(sys.argv[1])), int(sys.argv[2]), int(sys.argv[3])
print("begun", flush=True)
for number in range(first, first + count):
    log.put(f"{number:064x}", Reply(Outcome.OK, "text", "m", "end_turn", 3, 4, "id", ""))
    log.commit()
"""


def reply() -> Reply:
    return Reply(Outcome.OK, "text", "m", "end_turn", 3, 4, "id", "")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "responses.sqlite"


def count(path: Path) -> int:
    return int(path.with_name(f"{path.name}.count").read_text())


def filled(path: Path, keys: list[str] = KEYS) -> ResponseLog:
    """Return an open log with committed replies, which are in the -wal file alone."""
    log = ResponseLog(path)
    for key in keys:
        log.put(key, reply())
    log.commit()
    return log


def writer(path: Path, first: int, number: int) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", WRITER, str(path), str(first), str(number)],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        text=True,
    )
    assert child.stdout is not None
    with child.stdout as lines:
        assert lines.readline() == "begun\n"
    return child


def copied(path: Path, to: Path, *suffixes: str) -> Path:
    to.mkdir()
    for suffix in suffixes:
        shutil.copy(path.with_name(path.name + suffix), to / (path.name + suffix))
    return to / path.name


def test_a_log_without_its_wal_file_is_refused_and_left_unchanged(
    path: Path, tmp_path: Path
) -> None:
    log = filled(path)
    alone = copied(path, tmp_path / "copy", "", ".count")
    had = alone.read_bytes()

    for use in (len, ResponseLog.is_empty, lambda log: KEYS[0] in log, ResponseLog.spent):
        with pytest.raises(StoreError, match="holds 0 replies, 12 were committed") as caught:
            use(ResponseLog(alone))
        assert "bring back responses.sqlite-wal" in str(caught.value)
    with pytest.raises(StoreError, match="12 were committed"):
        ResponseLog(alone).put("ff" * 32, reply())
    assert alone.read_bytes() == had
    assert ResponseLog(alone).fault() == "the log holds 0 replies, 12 were committed"

    shutil.copy(f"{path}-wal", f"{alone}-wal")
    assert len(ResponseLog(alone)) == 12
    log.close()


def test_a_log_that_vanished_is_refused_and_not_created_again(path: Path) -> None:
    filled(path).close()
    path.unlink()

    for use in (len, ResponseLog.is_empty, lambda log: log.put(KEYS[0], reply())):
        with pytest.raises(StoreError, match="holds 0 replies, 12 were committed"):
            use(ResponseLog(path))
    assert not path.exists()


def test_an_incomplete_log_can_be_opened_to_restore_it(path: Path) -> None:
    filled(path).close()
    path.unlink()
    log = ResponseLog(path, incomplete=True)
    assert log.missing() == 12
    for key in KEYS:
        log.put(key, reply())
    log.commit()
    assert log.missing() == 0
    log.close()

    assert len(ResponseLog(path)) == 12


def test_a_log_of_an_earlier_version_gets_a_count_at_its_first_opening(path: Path) -> None:
    filled(path).close()
    with sqlite3.connect(path) as db:
        db.execute("drop table tally")
        db.execute("insert into retired (key, value) values (x'00', x'00')")
    path.with_name(f"{path.name}.count").unlink()

    assert len(ResponseLog(path)) == 12
    assert count(path) == 13


def test_retired_and_undone_replies_change_nothing(path: Path) -> None:
    log = filled(path)
    log.put("ff" * 32, reply())
    log.rollback()
    log.put(KEYS[0], reply())
    assert log.retire(KEYS[:5]) == 5
    log.close()

    assert count(path) == 12
    assert len(ResponseLog(path)) == 7


def test_a_count_that_cannot_be_written_costs_no_reply(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = filled(path, KEYS[:5])
    with monkeypatch.context() as patched:

        def full(*_: object) -> None:
            raise OSError(28, "No space left on device")

        patched.setattr(os, "replace", full)
        log.put(KEYS[5], reply())
        log.commit()
    assert (count(path), len(log)) == (5, 6)
    log.close()

    assert len(ResponseLog(path)) == 6
    assert count(path) == 6


@pytest.mark.parametrize("left", ["", "12x", "\x00\x00"])
def test_a_count_without_a_number_is_written_again(path: Path, left: str) -> None:
    filled(path).close()
    path.with_name(f"{path.name}.count").write_text(left)

    assert len(ResponseLog(path)) == 12
    assert count(path) == 12


def test_a_killed_writer_raises_no_alarm(path: Path) -> None:
    held = 0
    for run, seconds in enumerate((0.05, 0.12, 0.2)):
        child = writer(path, run * 100_000, 100_000)
        while not path.with_name(f"{path.name}.count").exists():
            time.sleep(0.001)
        time.sleep(seconds)
        child.send_signal(signal.SIGKILL)
        child.wait()
        committed = count(path)
        held = len(ResponseLog(path))
        assert committed <= held
        assert count(path) == held
    assert held > 3


def test_two_writers_never_move_the_count_backwards(path: Path) -> None:
    children = [writer(path, 0, 150), writer(path, 1000, 150)]
    seen = [0]
    while any(child.poll() is None for child in children):
        if path.with_name(f"{path.name}.count").exists():
            seen.append(count(path))
        time.sleep(0.001)

    assert [child.wait() for child in children] == [0, 0]
    assert seen == sorted(seen)
    assert count(path) == len(ResponseLog(path)) == 300
