"""Builds whose steps run in other processes: the same results as in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from compiler.building import kit
from compiler.errors import DamagedError
from compiler.project import opening
from compiler.project.reporter import Silent
from compiler.project.variant import Variant
from tests.conftest import ROOT, Probec
from tests.e2e.test_build import SPEC
from tests.e2e.test_edits import INPUTS, SOURCE, TOKENIZER, Edits, during, edited


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--jobs", "2"), id="processes"),
        pytest.param(
            ("--cluster", "local", "--jobs", "2"), id="ray", marks=pytest.mark.xdist_group("ray")
        ),
    ],
)
def test_workers_build_the_same_dataset(
    probec: Probec, project: Path, options: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Build from nothing: this process sends the requests, and workers read the log.

    Edits while the first build runs are no part of it.
    """
    edits = Edits(project, *INPUTS, SOURCE)
    with monkeypatch.context() as patch:
        during(patch, "stage_started", "sample", edits.make)
        away = probec.json("build", SPEC, *options, "--build-dir", "away")
    edits.undo()
    here = probec.json("build", SPEC, "--build-dir", "here")

    assert here["outputs"] == away["outputs"]
    assert probec.json("build", SPEC, *options, "--build-dir", "away")["up_to_date"] is True


def test_a_source_that_changes_before_a_worker_reads_it_ends_the_build(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = Edits(project, SOURCE)
    during(monkeypatch, "stage_started", "ingest", edits.make)

    assert probec("build", SPEC, "--jobs", "2") == 1
    assert f"{SOURCE}: the source file changed after the build took its digest" in probec.err
    assert not (project / "build/rounds").exists()


def test_a_tokenizer_that_changes_on_its_way_to_a_worker_is_an_error(project: Path) -> None:
    opened = opening.project(Variant(project / SPEC))
    context = opened.context(Silent())
    place = kit.here(kit.pack(opened, context, opened.graph(context).stages), context)
    assert place().store.root == project / "build"
    (use,) = context.tokenizer_files.values()
    (kit.own(project / "build") / use.digest).write_bytes(edited(TOKENIZER, use.data))

    with pytest.raises(DamagedError, match="a tokenizer that was sent to the workers changed"):
        place()


def test_jobs_is_a_number_of_at_least_one(probec: Probec) -> None:
    assert probec("build", SPEC, "--jobs", "0") == 2
    assert "--jobs: '0' is not a whole number of at least 1" in probec.err


@pytest.mark.parametrize("seconds", [0.0, 0.1, 0.3])
def test_ctrl_c_while_workers_start_is_handled_by_the_parent(project: Path, seconds: float) -> None:
    """Send it to the whole process group, as a terminal does, at several times."""
    with subprocess.Popen(
        [sys.executable, "-m", "compiler", "build", SPEC, "--jobs", "2"],
        cwd=project,
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONUNBUFFERED": "1"},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
        start_new_session=True,
    ) as running:
        assert running.stderr is not None
        # The first step for a worker is about to start.
        assert "ingest" in running.stderr.readline()
        time.sleep(seconds)
        os.killpg(running.pid, signal.SIGINT)
        left = running.stderr.read()

    assert running.wait(30) == 130
    assert "interrupted; finished steps and replies are kept" in left
    assert "Traceback" not in left
