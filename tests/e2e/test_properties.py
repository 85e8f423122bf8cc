"""Builds of arbitrary documents: valid rows, complete accounting, independent documents."""

from __future__ import annotations

import contextlib
import io
import json
import shutil
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from compiler import cli
from compiler.engine.store import Manifest, Store
from compiler.records import DocRecord
from tests.conftest import ROOT, SHARED, installed
from tests.strategies import documents

Texts = list[list[str]]
QWEN = SHARED / "data/tokenizers/qwen3/tokenizer.json.gz"


def run(*arguments: str) -> dict[str, Any]:
    """Run one command in process, expecting success."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = cli.main([*arguments, "--json"])
    assert code == 0, out.getvalue() + err.getvalue()
    found: dict[str, Any] = json.loads(out.getvalue())
    return found


def build(root: Path, texts: Texts, name: str) -> Path:
    """Build a dataset of these documents (prefix, then siblings), in one round and one shard."""
    source = root / f"{name}.jsonl"
    with source.open("w", encoding="utf-8") as out:
        for number, (prefix, *siblings) in enumerate(texts):
            row = {"doc_id": f"doc-{number}", "doc_source": "test", "prefix": prefix}
            for idx, text in enumerate(siblings):
                out.write(json.dumps({**row, "continuation": text, "doc_idx": idx}) + "\n")
    run(
        "build", str(root / "specs/demo.yaml"), "--build-dir", str(root / name),
        "--set", f"source.path={source}", "--set", f"rounds=[{{docs: {len(texts)}}}]",
        "--set", "splits.margin_chars=60", "--set", "source.filters.min_chars=40",
        # Parts that are not checked here are not built; no judge can distinguish random words.
        "--set", "scoring.baselines={}", "--set", "scoring.anchors=null",
        "--set", "scoring.rejudge=null", "--set", "max_lost=1",
    )  # fmt: skip
    return root / name


def project(folder: str) -> Path:
    root = Path(folder)
    for name in ("prompts", "templates", "specs"):
        shutil.copytree(ROOT / name, root / name)
    return root


def records(place: Path) -> dict[str, DocRecord]:
    found: dict[str, DocRecord] = {}
    for path in (place / "steps").rglob("*.json"):
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
        if manifest.preimage["stage"] == "sample":
            rows = Store(place).rows(manifest.outputs["records"], DocRecord)
            found.update({record.doc_id: record for record in rows})
    return found


ANY = st.lists(st.lists(documents(), min_size=2, max_size=5), min_size=2, max_size=4)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY)
def test_every_row_of_any_documents_passes_every_check(texts: Texts) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = project(folder)
        build(root, texts, "b")
        place = installed(root, "demo", "b")
        lines = (place / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
        accounted = Counter((r["doc_id"], r["slot"]) for r in map(json.loads, lines))
        stats = json.loads((place / "stats.json").read_text(encoding="utf-8"))
        assert set(accounted.values()) <= {1}
        assert stats["probes"] + len(accounted) == 16 * len(texts)
        if stats["probes"]:
            tokenizer = str(root / "specs/data/bpe-8k.json.gz")
            found = run("verify-rows", str(place), "--tokenizer", tokenizer)
            assert found["errors"] == 0
            assert "V21" not in found["findings"]


@settings(max_examples=3, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(ANY, st.lists(documents(), min_size=2, max_size=4))
def test_an_added_document_changes_no_other_doc_record(texts: Texts, more: list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = project(folder)
        before = records(build(root, texts, "before"))
        after = records(build(root, [*texts, more], "after"))

        assert {doc_id: after[doc_id] for doc_id in before} == before


def check_published_spec(tmp_path: Path, rollouts: str, tokenizer: str) -> int:
    """Build the published dataset's spec from other rollouts; return the number of rows."""
    root = project(str(tmp_path))
    data = run(
        "build", str(root / "specs/qwen3.5-9b.yaml"), "--provider", "extractive",
        "--source", rollouts, "--set", f"rehearsal.tokenizer={tokenizer}",
        # A share of few probes may hold one of a scope, too few for a limit of the judge.
        "--set", "scoring.anchors.min_gap=0",
    )  # fmt: skip
    found = run("verify-rows", str(data["dataset"]), "--tokenizer", tokenizer)
    stats = data["stats"]
    assert isinstance(stats, dict)

    assert found["errors"] == 0
    assert "V21" not in found["findings"]
    assert found["rows"] == stats["probes"]
    return int(stats["probes"])


def test_real_rollouts_have_no_errors_under_the_spec_of_the_published_dataset(
    tmp_path: Path,
) -> None:
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines(True)
    source = tmp_path / "some.jsonl"
    source.write_text("".join(lines[:80]), encoding="utf-8")
    tokenizer = str(ROOT / "specs/data/bpe-8k.json.gz")

    assert check_published_spec(tmp_path, str(source), tokenizer) > 200


@pytest.mark.skipif(not QWEN.exists(), reason="the rollouts of gemma3-270m are not here")
def test_further_rollouts_have_no_errors_under_a_published_tokenizer(tmp_path: Path) -> None:
    rollouts = SHARED / "data/rollouts/gemma3-270m.parquet"

    assert check_published_spec(tmp_path, str(rollouts), str(QWEN)) > 2500
