"""Determinism of statistics, which are part of hashed artifacts: equal to the last bit."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable

import pytest

from tests.conftest import ROOT
from tests.statistics.measures.everything import measured


def test_rows_in_another_order_give_the_same_numbers() -> None:
    assert measured(1) == measured(0) == measured(2)


def test_the_numbers_are_the_same_on_every_machine(golden: Callable[[str, str], None]) -> None:
    """Compare with pinned numbers, to find a deviating numpy, processor or library."""
    golden("measures.json", measured(0) + "\n")


def test_every_measure_has_a_value() -> None:
    """Make sure that the tests above compare values."""

    def empty(found: object) -> list[str]:
        if isinstance(found, dict):
            return [f"{k} {each}" for k, v in found.items() for each in empty(v)]
        if isinstance(found, list):
            return [each for v in found for each in empty(v)]
        return [""] if found is None else []

    assert empty(json.loads(measured(0))) == []


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names of x86 features")
@pytest.mark.parametrize(
    "settings",
    [
        {"OPENBLAS_CORETYPE": "Prescott", "NPY_DISABLE_CPU_FEATURES": "X86_V3,X86_V4,AVX2,FMA3"},
        {"OPENBLAS_NUM_THREADS": "1", "PYTHONHASHSEED": "7"},
    ],
    ids=["an old processor", "one thread"],
)
def test_other_cpu_instructions_and_thread_counts_give_the_same_numbers(
    settings: dict[str, str],
) -> None:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "tests.statistics.measures.everything", "3"],
        cwd=ROOT, env={**os.environ, **settings, "PYTHONPATH": str(ROOT)},
        capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip

    assert done.stdout == measured(0)
