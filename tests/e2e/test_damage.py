"""Damaged files of the store: found by their digests and never used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from msgspec import defstruct

from compiler.engine.store import Store
from compiler.records import ScoreRow
from compiler.stages import publish, score
from tests.conftest import LICENSE, LICENSED, Probec, installed
from tests.e2e.test_build import SPEC, build, edit

Row: TypeAlias = dict[str, Any]
DATA = "build/datasets/tiny/data/train-round-000.parquet"


def artifact(project: Path, stage: str, output: str) -> Path:
    """Return the file of an output of the first step of a stage."""
    store = Store(project / "build")
    head = min((project / "build/heads/tiny" / stage).glob("*.json")).stem
    key = store.head("tiny", stage, head)
    assert key is not None
    manifest = store.manifest(key)
    assert manifest is not None
    return store.path(manifest.outputs[output])


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("share", [0.05, 0.2, 0.35, 0.5, 0.65, 0.8, 0.95, 0.999])
@pytest.mark.usefixtures("tiny")
def test_rows_with_a_flipped_bit_enter_no_dataset(
    share: float, probec: Probec, project: Path
) -> None:
    published = (project / DATA).read_bytes()
    rows = artifact(project, "expand", "probes")
    flip(rows, int(share * rows.stat().st_size))

    assert probec("build", SPEC, "--set", "publish.source_label=other") == 1
    assert str(rows.relative_to(project / "build")) in probec.err
    assert "a stored file is damaged" in probec.err
    assert (project / DATA).read_bytes() == published

    rows.unlink()
    assert build(probec, "--set", "publish.source_label=other")["expand"] == 1
    assert probec("verify-rows", str(installed(project))) == 0


def test_rows_of_another_schema_name_their_stage_and_both_remedies(
    probec: Probec, project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Add a field to a row's type without a new version of the stage that writes the rows."""
    build(probec)
    published = (project / DATA).read_bytes()
    wider = defstruct("ScoreRow", [("weight", float)], bases=(ScoreRow,), kw_only=True)
    with monkeypatch.context() as patch:
        patch.setattr(publish, "ScoreRow", wider)
        assert probec("build", SPEC, "--set", "publish.source_label=other") == 1
    assert f"the rows that stage score, version {score.VERSION}, stored have another" in probec.err
    assert "missing required field `weight`" in probec.err
    assert "raise VERSION of that stage" in probec.err
    assert "damaged" not in probec.err
    assert (project / DATA).read_bytes() == published

    shutil.rmtree(project / "build/steps")
    assert build(probec)["score"] == 3
    assert (project / DATA).read_bytes() == published


@pytest.mark.usefixtures("tiny")
def test_a_published_file_with_a_flipped_bit_is_not_installed(
    probec: Probec, project: Path
) -> None:
    published = (project / DATA).read_bytes()
    stored = artifact(project, "publish", "rows")
    flip(stored, 1000)
    (project / DATA).unlink()

    assert probec("build", SPEC) == 1
    assert f"{stored.name}: a stored file is damaged" in probec.err
    assert not (project / DATA).exists()

    stored.unlink()
    assert build(probec) == {"publish": 1}
    assert (project / DATA).read_bytes() == published


@pytest.mark.parametrize("how", ["another's", "edited"])
@pytest.mark.usefixtures("tiny")
def test_a_manifest_that_does_not_match_its_step_is_ignored(
    how: str, probec: Probec, project: Path
) -> None:
    outputs = probec.json("build", SPEC)["outputs"]
    store = Store(project / "build")
    first, other = (store.head("tiny", "score", part) for part in ("0.0", "0.1"))
    assert first is not None
    assert other is not None
    path = store.manifest_path(first)
    if how == "edited":
        record = json.loads(path.read_text())
        record["outputs"]["scores"]["rows"] += 1
        path.write_text(json.dumps(record, indent=1))
    else:
        path.write_bytes(store.manifest_path(other).read_bytes())
    found = probec.json("build", SPEC)

    assert found["ran"]["score"] == 1
    assert found["outputs"] == outputs


@pytest.mark.usefixtures("tiny")
def test_hidden_and_extra_files_are_not_part_of_a_dataset(probec: Probec, project: Path) -> None:
    root = installed(project)
    for copy in ("data/.backup.parquet", "extra.parquet"):
        (root / copy).write_bytes((project / DATA).read_bytes())

    assert probec("verify-rows", str(root)) == 0
    assert probec("card", str(root), "--check") == 0, probec.out


@pytest.mark.usefixtures("tiny")
def test_a_link_in_a_dataset_is_replaced_and_not_followed(probec: Probec, project: Path) -> None:
    card = installed(project) / "README.md"
    card.unlink()
    (project / "mine.md").write_text("mine")
    card.symlink_to(project / "mine.md")

    edit(project / SPEC, LICENSE, "license: mit\n")
    build(probec)
    assert (project / "mine.md").read_text() == "mine"
    assert 'license: "mit"' in card.read_text()


@pytest.mark.parametrize("after", [1, 2])
def test_the_card_of_early_stopping_is_consistent(after: int, probec: Probec) -> None:
    build(probec, "--set", f"scoring.stop={{after: {after}}}")

    assert probec("card", str(installed(probec.root)), "--check") == 0, probec.out


@pytest.mark.parametrize(
    "damage",
    [
        lambda rows: rows[:0],
        lambda rows: [{**rows[0], "flags": ["V99"]}, *rows[1:]],
        lambda rows: [{**row, "tokenizer": [row["tokenizer"]]} for row in rows],
        lambda rows: [{**row, "target": "left"} for row in rows],
        lambda rows: [{**row, "doc_id": str(row["doc_id"]).encode()} for row in rows],
    ],
    ids=["no rows", "a flag of another version", "a list for a model", "sides", "ids"],
)
@pytest.mark.parametrize("command", ["stats", "verify-rows", "report"])
@pytest.mark.usefixtures("tiny")
def test_malformed_rows_cause_no_traceback(
    command: str,
    damage: Callable[[list[Row]], list[Row]],
    probec: Probec,
    project: Path,
    tmp_path: Path,
) -> None:
    table = pq.read_table(project / DATA)
    rows = damage(table.to_pylist())
    odd = pa.Table.from_pylist(rows) if rows else table.slice(0, 0)
    pq.write_table(odd, tmp_path / "odd.parquet")
    out = ("--out", "page.html") if command == "report" else ()

    # An exception other than the project's own errors would be raised here.
    assert probec(command, str(tmp_path / "odd.parquet"), *out) in (0, 1)


@pytest.mark.usefixtures("tiny")
def test_an_empty_log_beside_locked_rounds_is_a_warning(probec: Probec, project: Path) -> None:
    assert probec("build", SPEC, "--set", "publish.license=apache-2.0") == 0
    assert "the response log is empty" not in probec.err

    for path in (project / ".probec").glob("responses.sqlite*"):
        path.unlink()
    assert probec("build", SPEC, *LICENSED) == 0
    assert "the response log is empty" in probec.err
