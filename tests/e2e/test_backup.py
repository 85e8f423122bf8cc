"""`probec cache backup`: a copy that a build can go on from, made while another build writes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from compiler.building import backup
from compiler.llm.messages import Outcome, Reply
from compiler.llm.responses import ResponseLog
from compiler.project.place import Place
from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_cache import cache, replies
from tests.e2e.test_paid import ledger, paid, server, wait_for_end

__all__ = ["server"]


def test_a_backup_replaces_what_was_lost_and_nothing_is_paid_again(
    probec: Probec, project: Path, tmp_path: Path, server: Rehearsal
) -> None:
    copy = str(tmp_path / "copy")
    first = probec.json("build", *paid(server))
    made = cache(probec, "backup", copy)
    had = ledger(server)
    shutil.rmtree(project / ".probec")
    shutil.rmtree(project / "build")
    shutil.copytree(copy, project / ".probec")
    again = probec.json("build", *paid(server))

    assert made["replies"] == had["requests"]
    assert made["batches"] == len(had["batches"])
    assert again["outputs"] == first["outputs"]
    assert ledger(server) == had
    assert probec("cache", "backup", copy) == 0
    assert "the earlier one was replaced" in probec.out
    assert not [p for p in tmp_path.iterdir() if p.name.startswith(".")]


def test_a_backup_of_open_batches_collects_them(
    probec: Probec, project: Path, tmp_path: Path, server: Rehearsal
) -> None:
    assert probec("build", *paid(server), "--detach") == 75
    cache(probec, "backup", str(tmp_path / "copy"))
    wait_for_end(server)
    shutil.rmtree(project / ".probec")
    shutil.copytree(tmp_path / "copy", project / ".probec")
    probec.json("build", *paid(server))

    assert sum(ledger(server)["answered"].values()) == len(replies(project))
    assert len(ledger(server)["batches"]) == 3


@pytest.mark.usefixtures("tiny")
def test_only_an_earlier_backup_is_replaced(probec: Probec, project: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "mine").touch()
    assert probec("build", SPEC) == 0

    assert probec("cache", "backup", str(other)) == 2
    assert "not an earlier backup" in probec.err
    assert [p.name for p in other.iterdir()] == ["mine"]
    for wrong in ((), (str(other), "7ed459"), (str(other), "--dry-run")):
        assert probec("cache", "backup", *wrong) == 2


def test_copies_made_while_a_log_is_written_are_whole(tmp_path: Path) -> None:
    place = Place(tmp_path, tmp_path / "build")
    log = place.log()
    log.put("0" * 64, Reply(Outcome.OK, "text", "m", "end_turn", 3, 4, "id", ""))
    log.commit()
    end = threading.Event()

    def write() -> None:
        own, number = place.log(), 0
        while not end.is_set():
            number += 1
            own.put(f"{number:064x}", Reply(Outcome.OK, "t", "m", "end_turn", 3, 4, "id", ""))
            own.commit()
        own.close()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        found = [backup.make(place, tmp_path / "copy").replies for _ in range(4)]
    finally:
        end.set()
        writer.join()
    copy = ResponseLog(tmp_path / "copy/responses.sqlite")
    assert found == sorted(found)
    assert len(copy) == found[-1]
    assert copy.fault() is None
    assert len(log) >= found[-1]
    log.close()
    copy.close()
