"""A build whose steps run in other processes is the build of one process."""

from __future__ import annotations

import importlib.util

import pytest

from tests.conftest import Probec
from tests.e2e.test_build import SPEC

needs_ray = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="the extra `ray` is not installed"
)


@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::FutureWarning")
@pytest.mark.parametrize(
    "options",
    [
        pytest.param(("--jobs", "2"), id="processes"),
        pytest.param(("--cluster", "local", "--jobs", "2"), id="ray", marks=needs_ray),
    ],
)
def test_workers_build_the_same_dataset(probec: Probec, options: tuple[str, ...]) -> None:
    """From nothing, replies included: asked for by this process, read from the log by workers."""
    away = probec.json("build", SPEC, *options, "--build-dir", "away")
    here = probec.json("build", SPEC, "--build-dir", "here")

    assert here["outputs"] == away["outputs"]
    assert probec.json("build", SPEC, *options, "--build-dir", "away")["up_to_date"] is True


def test_jobs_is_a_number_of_at_least_one(probec: Probec) -> None:
    assert probec("build", SPEC, "--jobs", "0") == 2
    assert "--jobs" in probec.err
