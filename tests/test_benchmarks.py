"""Benchmarks run, at a tiny size: what they print is read by people, not compared."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from benchmarks import batches, local_stages, statistics
from tests.conftest import ROOT


def test_the_local_stages_benchmark_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    source = tmp_path / "few.jsonl"
    source.write_text("".join(lines[:20]), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["local_stages", str(source)])
    local_stages.main()
    out = capsys.readouterr().out

    assert "4 documents" in out
    assert all(stage in out for stage in ("ingest", "sample", "publish", "floor of sample"))


def test_the_benchmark_of_the_paid_path_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["batches", "--small"])
    batches.main()
    out = capsys.readouterr().out

    assert "equals that of what the server received" in out
    assert "bare asyncio client" in out
    assert "B a reply on disk" in out


def test_the_benchmark_of_the_statistics_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["statistics", "--small"])
    statistics.main()
    out = capsys.readouterr().out

    assert "4,000 probes, 800 documents, 16 cells, 50 resamples" in out
    assert "floor: the bare matrix product" in out
    assert "choice-only test: 50 pairs" in out
