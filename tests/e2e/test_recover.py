"""`probec cache recover`: a lost log is rebuilt from the archived results of batches."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.building.recovery import recover
from compiler.llm.batches.states import Event
from compiler.project.place import Place
from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec
from tests.e2e.test_cache import cache, replies
from tests.e2e.test_paid import ledger, paid, server
from tests.llm.desk import Desk, TurnedClock
from tests.llm.kills import Killed, kill_at_event

__all__ = ["server"]


def lose(project: Path, *, count: bool = True) -> None:
    """Delete the log; `count`: and the number of committed replies beside it."""
    for path in (project / ".probec").glob("responses.sqlite*"):
        if count or path.suffix != ".count":
            path.unlink()


def test_a_lost_log_is_rebuilt_and_batched_requests_are_not_sent_again(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    first: Any = probec.json("build", *paid(server))
    had, before = replies(project), ledger(server)
    lose(project)
    plan: Any = probec.json("plan", *paid(server, "--build-dir", "elsewhere"))
    assert "`probec cache recover` brings them back" in " ".join(plan["notices"])

    found = cache(probec, "recover")
    assert found["batches"] == len(before["batches"]) == 3
    # The first request of each shape went live, so it is in no batch.
    live = len(had) - found["recovered"]
    assert 0 < live <= 6
    assert (found["known"], found["unreadable"], found["missing"]) == (0, 0, 0)
    assert replies(project).items() <= had.items()
    again = cache(probec, "recover")
    assert (again["recovered"], again["known"]) == (0, found["recovered"])
    plan = probec.json("plan", *paid(server, "--build-dir", "elsewhere"))
    assert not plan["notices"]

    second: Any = probec.json("build", *paid(server))
    assert sorted(second["outputs"]) == sorted(first["outputs"])
    assert ledger(server)["posts"] == before["posts"]
    assert ledger(server)["requests"] - before["requests"] <= live


def test_what_is_still_missing_must_be_accepted(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    probec.json("build", *paid(server))
    total = len(replies(project))
    lose(project, count=False)
    assert probec("plan", *paid(server, "--build-dir", "elsewhere")) == 1
    assert f"the log holds 0 replies, {total} were committed" in probec.err
    assert "`probec cache recover`" in probec.err

    found = cache(probec, "recover")
    assert found["missing"] == total - found["recovered"] > 0
    assert probec("plan", *paid(server, "--build-dir", "elsewhere")) == 1
    assert probec("cache", "recover", "--accept-loss") == 0
    assert "still missing" not in probec.out
    assert probec("plan", *paid(server, "--build-dir", "elsewhere")) == 0


def test_retired_replies_stay_retired_and_later_results_win(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    server.faults(
        [{"at": "request", "batch": 0, "index": [0, 2], "do": {"stop_reason": "max_tokens"}}]
    )
    probec.json("build", *paid(server))
    assert probec("retry", *paid(server), "--reason", "truncated") == 0
    count = len(replies(project))
    assert cache(probec, "recover")["recovered"] == 0
    assert len(replies(project)) == count

    probec.json("build", *paid(server))
    had = replies(project)
    lose(project)
    cache(probec, "recover")
    assert replies(project).items() <= had.items()


def test_damaged_and_unmapped_archives_are_counted(
    probec: Probec, project: Path, server: Rehearsal
) -> None:
    probec.json("build", *paid(server))
    batches = project / ".probec/batches"
    first, second, _ = sorted(batches.glob("*.keys.json"))
    first.unlink()
    second.write_bytes(second.read_bytes()[:100])
    lose(project)
    found = cache(probec, "recover")

    assert (found["batches"], found["unmapped"], found["unreadable"]) == (2, 1, 1)
    assert found["recovered"] > 0


@pytest.mark.parametrize("before", [True, False])
def test_a_client_that_is_killed_around_the_end_of_a_batch_leaves_what_rebuilds_the_log(
    before: bool, tmp_path: Path, server: Rehearsal
) -> None:
    our = Desk(tmp_path / ".probec", server, TurnedClock(server))
    kill_at_event(our, Event.APPLIED, before=before)
    with pytest.raises(Killed):
        our.ask(12)
    our.again()
    keys = our.ask(12)
    our.assert_paid_once(keys)
    our.log.close()
    lose(tmp_path)

    found = recover(Place(tmp_path, tmp_path / "build"), accept_loss=False)
    # One request was live.
    assert (found.recovered, found.unreadable, found.unmapped) == (11, 0, 0)
    our.again()
    assert sum(key in our.log for key in keys) == our.booked()[0] == 11
    our.log.close()
    our.journal.close()
