"""Builds whose steps run in other processes: the same results as in one process."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import ROOT, Probec
from tests.e2e.test_build import SPEC


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
def test_workers_build_the_same_dataset(probec: Probec, options: tuple[str, ...]) -> None:
    """Build from nothing: this process sends the requests, and workers read the log."""
    away = probec.json("build", SPEC, *options, "--build-dir", "away")
    here = probec.json("build", SPEC, "--build-dir", "here")

    assert here["outputs"] == away["outputs"]
    assert probec.json("build", SPEC, *options, "--build-dir", "away")["up_to_date"] is True


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
