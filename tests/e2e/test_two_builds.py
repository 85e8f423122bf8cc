"""Two builds of two specs in one project at once, and the locks between them."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from compiler.engine.lock import building, locked
from compiler.errors import BusyError
from compiler.rehearsal.process import Rehearsal
from tests.conftest import ROOT, Probec, installed, until
from tests.e2e.test_build import SPEC, dataset, edit
from tests.e2e.test_paid import paid, server  # noqa: F401 - a fixture

OTHER = "specs/other.yaml"


@pytest.fixture(autouse=True)
def other(project: Path) -> None:
    """Add a spec with the same requests and one more document."""
    edit(project / SPEC, "[{docs: 4}, {docs: 2}]", "[{docs: 2}]")
    text = (project / SPEC).read_text(encoding="utf-8").replace("name: tiny", "name: other")
    text = text.replace("[{docs: 2}]", "[{docs: 2}, {docs: 1}]")
    (project / OTHER).write_text(text, encoding="utf-8")


def start(project: Path, *args: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "compiler", *args],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def both(project: Path, *commands: Sequence[str]) -> None:
    """Run commands at once; all must succeed."""
    running = [start(project, *command) for command in commands]
    for each in running:
        out, err = each.communicate(timeout=120)
        assert each.returncode == 0, out + err


@pytest.mark.long
def test_two_builds_at_once_equal_builds_one_after_the_other(probec: Probec, project: Path) -> None:
    both(project, ("build", SPEC), ("build", OTHER))
    together = [dataset(project, name) for name in ("tiny", "other")]

    for spec in (SPEC, OTHER):
        assert probec("build", spec, "--build-dir", "alone") == 0, probec.err
        assert probec("plan", spec) == 0
        assert "everything is up to date" in probec.out
    (project / "build").rename(project / "first")
    (project / "alone").rename(project / "build")
    assert together == [dataset(project, name) for name in ("tiny", "other")]


@pytest.mark.long
def test_two_paid_builds_at_once_send_shared_requests_once(
    probec: Probec,
    project: Path,
    server: Rehearsal,  # noqa: F811
) -> None:
    one = paid(server, "--set", "scoring.rollouts=1")
    both(project, ("build", *one), ("build", OTHER, *one[1:]))

    requests = server.ledger()["requests"]
    with sqlite3.connect(project / ".probec/responses.sqlite") as log:
        assert log.execute("select count(*) from reply").fetchone() == (requests,)
        assert log.execute("select sum(calls) from spend").fetchone() == (requests,)
    for args in (one, [OTHER, *one[1:]]):
        assert probec.json("build", *args)["up_to_date"]
    assert server.ledger()["requests"] == requests
    rows = [dataset(project, name) for name in ("tiny~", "other~")]
    assert [row for row in rows[1] if row["round_idx"] == 0] == rows[0]


def test_a_build_that_waits_names_what_it_waits_for_and_for_whom(
    project: Path,
    server: Rehearsal,  # noqa: F811
) -> None:
    args = paid(server, "--set", "scoring.rollouts=1")
    folder = project / ".probec/batches"
    with locked(folder, owner="probec build specs/mine.yaml"):
        waits = start(project, "build", *args)
        assert waits.stderr is not None
        said = next(line for line in waits.stderr if line.startswith("waiting for "))
        assert said.startswith(
            "waiting for the project's paid path, which another process uses (process "
            f"{os.getpid()}, `probec build specs/mine.yaml`, since "
        )
        # Free builds need not wait.
        free = start(project, "build", OTHER)
        _, err = free.communicate(timeout=120)
        assert free.returncode == 0, err
        detached = start(project, "build", OTHER, *args[1:], "--detach")
        _, err = detached.communicate(timeout=120)
        assert detached.returncode == 1
        assert f"(process {os.getpid()}, `probec build specs/mine.yaml`, since " in err
        assert waits.poll() is None
        assert server.ledger()["requests"] == 0
    out, err = waits.communicate(timeout=120)
    assert waits.returncode == 0, out + err


def test_a_build_that_waits_is_interrupted_at_once(
    project: Path,
    server: Rehearsal,  # noqa: F811
) -> None:
    with locked(project / ".probec/batches"):
        waits = start(project, "build", *paid(server))
        assert waits.stderr is not None
        assert any(line.startswith("waiting for ") for line in waits.stderr)
        waits.send_signal(signal.SIGINT)
        waits.communicate(timeout=60)
        assert waits.returncode == 130


def test_one_dataset_has_one_build_and_the_refusal_names_it(probec: Probec, project: Path) -> None:
    with building(project / "build", "tiny", "probec build specs/tiny.yaml", lambda: None):
        assert probec("build", SPEC) == 1
        assert (
            "another process is writing this dataset, tiny (process "
            f"{os.getpid()}, `probec build specs/tiny.yaml`, since "
        ) in probec.err
        assert probec("build", OTHER) == 0, probec.err
        assert probec("build", SPEC, "--set", "publish.source_label=mine") == 0, probec.err
        # What may remove files of any build waits for all of them.
        for command in (("cache", "gc"), ("retry", SPEC, "--reason", "errored")):
            assert probec(*command) == 1
            assert f"process {os.getpid()}, `probec build specs/tiny.yaml`" in probec.err
    assert probec("build", SPEC) == 0
    assert installed(project).name == "tiny"


def test_files_of_a_killed_build_are_removed_only_if_no_other_build_runs(
    probec: Probec, project: Path
) -> None:
    left = project / "build/objects/tmp/1-left.jsonl.zst"
    left.parent.mkdir(parents=True)
    left.write_bytes(b"x")
    with building(project / "build", "other", "", lambda: None):
        assert probec("build", SPEC) == 0
        assert left.exists()
    assert probec("build", SPEC) == 0
    assert not left.exists()


def test_a_directory_with_an_exclusive_writer_has_no_build(tmp_path: Path) -> None:
    entered = threading.Event()
    with locked(tmp_path, owner="probec cache gc"):
        with (
            pytest.raises(BusyError, match="`probec cache gc`, since"),
            building(tmp_path, "a", "", entered.set),
        ):
            entered.set()
        assert not entered.is_set()
    with building(tmp_path, "a", "", entered.set):
        until(entered.is_set)
