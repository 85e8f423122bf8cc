"""Benchmarks run at a tiny size; their output is for people and is not compared."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import (
    batches,
    contrast,
    full_scale,
    local_stages,
    parquet_layout,
    probe_file,
    recombine,
    response_log,
    rollout_filters,
    scale_model,
    startup,
    statistics,
)
from benchmarks.machine import Run
from benchmarks.scale_model import Costs
from compiler import cli
from tests.conftest import ROOT
from tests.forks import Commands


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


@pytest.mark.long
def test_the_benchmark_of_the_paid_path_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["batches", "--small"])
    batches.main()
    out = capsys.readouterr().out

    assert "equals that of what the server received" in out
    assert "bare, that parses and logs" in out
    assert "the SDK alone, aiohttp" in out
    assert "B a reply on disk" in out


def test_the_benchmark_of_live_requests_says_why_a_transport_is_missing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent() -> None:
        raise RuntimeError("install the extra")

    monkeypatch.setenv("ANTHROPIC_API_KEY", "rehearsal")
    monkeypatch.setattr("anthropic.DefaultAioHttpClient", absent)
    batches.live(batches.SMALL, tmp_path)
    out = capsys.readouterr().out

    assert "the SDK alone, aiohttp: not measured: install the extra" in out
    assert "ours, from asked to logged" in out


def test_the_contrast_benchmark_prints_the_rate_of_both_inputs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    source = tmp_path / "few.jsonl"
    source.write_text("".join(lines[:50]), encoding="utf-8")
    monkeypatch.setattr(contrast, "TOKENIZER", tmp_path / "none")
    monkeypatch.setattr(recombine, "CORPUS", tmp_path / "none")
    monkeypatch.setattr(sys, "argv", ["contrast", str(source), "--documents", "8"])
    contrast.main()
    out = capsys.readouterr().out

    assert "rollouts: Context-aware choice rate" in out
    assert "recombined: Context-aware choice rate" in out


def test_the_benchmark_of_the_statistics_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "argv", ["statistics", "--small"])
    statistics.main()
    out = capsys.readouterr().out

    assert "4,000 probes, 800 documents, 16 cells, 50 resamples" in out
    assert "floor: the bare matrix product" in out
    assert "choice-only test: 50 pairs" in out


def run(name: str, *arguments: str) -> Callable[[pytest.MonkeyPatch], None]:
    """Return a function that sets the command line of a benchmark."""

    def patch(monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "argv", [name, *arguments])

    return patch


@pytest.mark.long
def test_the_full_scale_benchmark_runs_at_a_tiny_size(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    commands: Commands,
) -> None:
    def small(*arguments: str) -> Run:
        """Run one command, over two documents if it is the demo's."""
        began = time.monotonic()
        demo = any(each.endswith("/demo") for each in arguments)
        # Two probes of a scope are too few for a judge's limits.
        few = ("--set", "rounds=[{docs: 2}]", "--set", "scoring.anchors.min_gap=0")
        done = commands.run(*arguments, *(few if demo else ()), cwd=ROOT, path=[ROOT])
        assert done.code == 0, done.err
        wall = time.monotonic() - began
        return Run(done.out, wall, cpu=wall, peak=0, slowness=1.0)

    for name in ("probec", "quickest"):
        monkeypatch.setattr(full_scale, name, small)
    monkeypatch.setattr(full_scale, "QWEN", tmp_path / "none")
    run("full_scale", "2", "--more", "1")(monkeypatch)
    full_scale.main()
    out = capsys.readouterr().out

    assert "2 documents, " in out
    assert all(stage in out for stage in ("ingest", "expand", "release", "floor/stage"))
    assert "no-op of the full build" in out
    assert "probec --help" in out
    assert "a round of 1 more documents" in out
    assert "reproduce of a round of 1 documents" in out


@pytest.mark.long
def test_the_benchmark_of_the_published_file_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("parquet_layout", "10")(monkeypatch)
    parquet_layout.main()
    out = capsys.readouterr().out

    assert "160 rows" in out
    for reader in ("pyarrow", "datasets", "duckdb", "polars"):
        assert f"ours, zstd 9, read back by {reader}: equal" in out
        assert f"groups, read back by {reader}: equal" in out
    assert "what of a file is new" in out


def test_the_benchmark_of_the_response_log_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("response_log", "300", "--chars", "200")(monkeypatch)
    response_log.main()
    out = capsys.readouterr().out

    assert "300 replies of 200 characters" in out
    assert "open and look up one" in out


@pytest.mark.long
def test_the_benchmark_of_commands_on_a_file_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("probe_file", "3")(monkeypatch)
    probe_file.main()
    out = capsys.readouterr().out

    assert "48 rows" in out
    assert all(step in out for step in ("open the table", "a text that occurs", "one document"))
    assert all(f"\n{name}" in out for name in ("show", "stats", "evaluate score, with a control"))


def test_the_benchmark_of_the_start_up_runs(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    run("startup", "--small")(monkeypatch)
    startup.main()
    out = capsys.readouterr().out

    assert "ratio to its floor" in out
    assert all(f"\n{name} " in out for name in ("floor", "help", "check"))


def test_the_docs_show_the_output_of_the_scale_model() -> None:
    text = (ROOT / "docs/scale.md").read_text(encoding="utf-8")

    assert scale_model.markdown(Costs()) in text


def test_bounds_are_linear_and_no_batch_is_too_large() -> None:
    costs = Costs()
    one, ten = (scale_model.bounds(n, costs) for n in (512_000, 5_120_000))

    assert ten.usd == pytest.approx(10 * one.usd)
    assert ten.requests == pytest.approx(10 * one.requests, rel=1e-6)
    assert one.batches * costs.batch_requests >= one.requests


def test_the_scale_model_and_the_plan_of_the_published_spec_agree(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    options = ("expect.use=published", "scoring.compare=atom_text")
    published = ["specs/qwen3.5-9b.yaml", *(word for each in options for word in ("--set", each))]
    assert cli.main(["plan", *published, "--json"]) == 0
    price = json.loads(capsys.readouterr().out)["price"]
    found = scale_model.bounds(36_997, Costs())

    scoring = sum(e["usd"] for e in price["estimates"] if e["stage"] in ("answer", "judge"))
    assert round(scoring) == 1003
    # The model is of the published method, without the spec's controls.
    own = [e for e in price["estimates"] if e["stage"] in ("generate", "answer", "judge")]
    assert found.requests == pytest.approx(sum(each["calls"] for each in own), abs=2)
    assert found.usd == pytest.approx(sum(each["usd"] for each in own), rel=1e-3)


def test_the_benchmark_of_the_filters_runs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    source = tmp_path / "few.jsonl"
    source.write_text("".join(lines[:60]), encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["rollout_filters", str(source), "--texts", "5"])
    rollout_filters.main()
    out = capsys.readouterr().out

    assert "loop, verbatim, in human texts" in out
    assert "siblings as they are" in out
    assert "the labelled continuations are not in this file" in out
