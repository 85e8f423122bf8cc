"""Builds that lose more slots than their spec allows, and the errors of failed requests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from compiler import embedded
from compiler.keys import Json
from compiler.llm.messages import Outcome, Purpose, Reply
from compiler.llm.prices import Rate
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from tests.conftest import Probec
from tests.e2e.test_build import SPEC, build, edit
from tests.e2e.test_paid import paid, server  # noqa: F401 - a fixture
from tests.e2e.test_variants import contents

TEXT = "max_tokens: 28000 > 8192, which is the maximum allowed number of output tokens"
REFUSED: Json = {"errored": {"type": "invalid_request_error", "message": TEXT}}


def only(mark: str, text: str) -> Callable[[str, int], str]:
    """Return the embedded model, with one reply for all prompts that hold a mark."""
    real = embedded.respond
    return lambda user, sample: text if mark in user else real(user, sample)


@pytest.fixture
def no_json(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the generator reply with prose."""
    monkeypatch.setattr(embedded, "respond", only("<slots>", "I am not sure what you mean."))


@pytest.mark.usefixtures("no_json")
def test_a_build_that_builds_nothing_fails_and_installs_and_locks_nothing(
    probec: Probec, project: Path
) -> None:
    assert probec("build", SPEC) == 1
    assert "FAILED: more slots are lost than max_lost (0.75) allows: " in probec.out, probec.err
    assert "36 of 36 written slots (100.0%: 35 reply_unparsed, 1 no_unit)" in probec.out
    assert "`probec prompt specs/tiny.yaml --role generator --reply`" in probec.out
    assert "Nothing was installed or locked" in probec.out
    assert not (project / "build/datasets").exists()
    assert not (project / "build/rounds").exists()
    assert probec("build", SPEC) == 1

    # Accepting the losses sends nothing, and neither the directory nor a round has another name.
    data: Any = probec.json("build", SPEC, "--set", "max_lost=1")
    assert (data["up_to_date"], data["failures"]) == (True, [])
    assert str(data["dataset"]).endswith("/datasets/tiny")
    assert (project / "build/rounds/tiny").is_dir()


def test_slots_that_no_request_holds_point_to_the_source_and_the_spec(probec: Probec) -> None:
    longest = {"sentence": 599, "paragraph": 2499, "whole": 50_000}
    sizes = [f"scopes.{name}.atom.min_chars={size}" for name, size in longest.items()]
    args = [SPEC, *(part for each in sizes for part in ("--set", each))]

    for more in ((), ("--reply",)):
        assert probec("prompt", *args, *more) == 2
        assert "none of the documents has a slot for the generator" in probec.err
    assert probec("build", *args) == 1
    assert "36 of 36 written slots (100.0%: 36 no_unit)" in probec.out
    assert "No request holds these slots: change the source (" in probec.out
    assert "probec prompt" not in probec.out.partition("FAILED: ")[2]


@pytest.mark.usefixtures("tiny")
def test_a_failed_build_leaves_the_installed_dataset_as_it_is(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    places = [project / "build" / each for each in ("datasets", "rounds")]
    before = [contents(place) for place in places]
    edit(project / "prompts/generator/base/system.j2", "\n", " Be brief.\n")
    monkeypatch.setattr(embedded, "respond", only("<slots>", "{}"))

    assert probec("build", SPEC) == 1
    assert "reply_invalid" in probec.out
    assert [contents(place) for place in places] == before


def test_unscored_probes_count_as_lost_and_point_to_their_role(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded, "respond", only("<reference>", "rather good"))

    assert probec("build", SPEC) == 1
    assert "written slots" in probec.out
    assert "templated slots (" not in probec.out
    assert " judge_failed" in probec.out
    assert "Inspect the judge's prompt" in probec.out


@pytest.mark.usefixtures("tiny")
def test_a_share_that_equals_the_declared_one_is_allowed(probec: Probec, project: Path) -> None:
    data: Any = probec.json("build", SPEC)
    rows = [r for r in data["stats"]["build"]["ledger"] if r["scope"] not in ("word", "lens")]
    planned = sum(row["planned"] for row in rows)
    lost = planned - sum(row["built"] for row in rows)
    assert 0 < lost < planned

    assert probec("build", SPEC, "--set", f"max_lost={lost / planned}") == 0
    assert probec("build", SPEC, "--set", f"max_lost={(lost - 0.5) / planned}") == 1
    again: Any = probec.json("build", SPEC)
    assert again["locks"] == data["locks"]


def test_a_failed_batch_is_reported_with_its_error_by_every_command(
    probec: Probec,
    project: Path,
    server: Rehearsal,  # noqa: F811
) -> None:
    edit(project / SPEC, "[{docs: 4}, {docs: 2}]", "[{docs: 2}]")
    server.faults([{"at": "request", "do": REFUSED, "share": 1.0, "times": -1}])
    # Few calls: of five, a build ends when most have failed.
    few = ("scoring.rollouts=1", "scopes.sentence.slots=1", "slots_per_document=14")
    args = paid(server, *(word for each in few for word in ("--set", each)))

    assert probec("build", *args) == 1
    assert "FAILED: more slots are lost than max_lost (0.75) allows: " in probec.out, probec.err
    assert f"invalid_request_error: {TEXT}" in probec.out
    assert "--reason errored` sends the failed requests again" in probec.out
    assert not (project / "build/datasets").exists()
    for command in ("status", "retry"):
        more = ("--reason", "errored", "--dry-run") if command == "retry" else ()
        found: Any = probec.json(command, *args, *more)
        assert {each["error"] for each in found["errors"]} == {f"invalid_request_error: {TEXT}"}
        assert probec(command, *args, *more) == 0
        assert TEXT in probec.out

    sent = server.ledger()["requests"]
    assert probec("build", *args, "--set", "max_lost=1") == 0, probec.out
    assert server.ledger()["requests"] == sent
    server.faults([])
    assert probec("retry", *args, "--reason", "errored") == 0
    assert probec("build", *args) == 0, probec.out
    assert TEXT not in probec.out
    assert probec.json("status", *args)["errors"] == []


def test_many_failures_are_reported_by_their_most_frequent_error(
    probec: Probec,
    project: Path,
    server: Rehearsal,  # noqa: F811
) -> None:
    server.faults([{"at": "request", "do": REFUSED, "share": 1.0, "times": -1}])
    args = paid(server)

    assert probec("build", *args) == 1
    assert f"failed: invalid_request_error: {TEXT}" in probec.err
    assert probec("status", *args) == 0
    assert TEXT in probec.out
    server.faults([])
    build(probec, *args[1:])
    assert probec.json("status", *args)["errors"] == []


def test_failures_are_forgotten_when_they_are_answered_or_retired(tmp_path: Path) -> None:
    log = ResponseLog(tmp_path / "log.sqlite")
    keys = [f"{n:064x}" for n in range(4)]
    purpose = Purpose("a", "judge", 0, "p", "m", Rate(0, 0), 0.0)
    errored = Reply(Outcome.ERRORED, "", "", "", 0, 0, "", "no")
    for key in keys:
        log.fail(key, purpose, "no", kept=key in keys[:2])
    for key in keys[:2]:
        log.put(key, errored)
    log.put(keys[2], Reply(Outcome.OK, "1", "m", "end_turn", 1, 1, "", ""))
    log.commit()

    assert [row[0] for row in log.failures("a")] == [keys[0], keys[1], keys[3]]
    assert log.failures("b") == []
    log.retire([keys[0]])
    assert [row[0] for row in log.failures("a")] == [keys[1], keys[3]]
    log.forget_failures(purpose)
    assert [row[0] for row in log.failures("a")] == [keys[1]]
