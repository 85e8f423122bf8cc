"""The response log: one value per key, durable, shared."""

from __future__ import annotations

from pathlib import Path

import pytest

from compiler.errors import StoreError
from compiler.llm.messages import Outcome, Reply
from compiler.llm.responses import ResponseLog

KEY, OTHER = "ab" * 32, "cd" * 32


def reply(text: str) -> Reply:
    return Reply(Outcome.OK, text, "m", "end_turn", 3, 4, "id", "")


def test_the_first_value_of_a_key_is_kept(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path / "log.sqlite")
    log.put(KEY, reply("first"))
    log.put(KEY, reply("second"))
    log.close()
    again = ResponseLog(tmp_path / "log.sqlite")

    assert again.get(KEY) == reply("first")
    assert (KEY in again, OTHER in again, again.get(OTHER)) == (True, False, None)
    assert len(again) == 1


def test_lone_surrogates_are_stored_as_replacement_characters(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path / "log.sqlite")
    log.put(KEY, reply("one \ud83d\ude00, half \ud83d, \udc00"))
    log.put(OTHER, Reply(Outcome.ERRORED, "", "m\ud83d", "", 0, 0, "id", "why \udc00"))
    log.commit()
    kept, failed = log.get(KEY), log.get(OTHER)
    assert kept is not None
    assert failed is not None

    assert kept.text == "one \U0001f600, half \ufffd, \ufffd"
    assert (failed.model, failed.error) == ("m\ufffd", "why \ufffd")


def test_reading_an_absent_log_creates_nothing(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path / "deep" / "log.sqlite")

    assert (len(log), KEY in log, log.get(KEY)) == (0, False, None)
    assert not (tmp_path / "deep").exists()


def test_two_processes_can_write_one_log(tmp_path: Path) -> None:
    one, two = ResponseLog(tmp_path / "log.sqlite"), ResponseLog(tmp_path / "log.sqlite")
    one.put(KEY, reply("one"))
    one.commit()
    two.put(KEY, reply("two"))
    two.put(OTHER, reply("two"))
    two.commit()

    assert one.get(OTHER) == reply("two")
    assert two.get(KEY) == reply("one")


def test_only_uncommitted_replies_are_lost_with_the_process(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path / "log.sqlite")
    log.put(KEY, reply("kept"))
    log.commit()
    log.put(OTHER, reply("lost"))
    assert log._connection is not None
    log._connection.rollback()

    assert len(ResponseLog(tmp_path / "log.sqlite")) == 1


def test_a_file_that_is_not_a_log_is_named(tmp_path: Path) -> None:
    path = tmp_path / "log.sqlite"
    path.write_bytes(b"not a database at all, but long enough to be read as one" * 20)

    with pytest.raises(StoreError, match=r"response log cannot be used"):
        ResponseLog(path).get(KEY)
