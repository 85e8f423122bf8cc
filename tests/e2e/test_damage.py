"""What lies in the store is not believed when it is not what was written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.engine.store import Store
from tests.conftest import Probec
from tests.e2e.test_build import SPEC, build

DATA = "build/datasets/tiny/data/train-round-000.parquet"


def artifact(project: Path, stage: str, output: str) -> Path:
    """The file of an output of the first step of a stage."""
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
def test_rows_with_a_flipped_bit_go_into_no_dataset(
    share: float, probec: Probec, project: Path
) -> None:
    build(probec)
    published = (project / DATA).read_bytes()
    rows = artifact(project, "expand", "probes")
    flip(rows, int(share * rows.stat().st_size))

    assert probec("build", SPEC, "--set", "publish.source_label=other") == 1
    assert str(rows.relative_to(project / "build")) in probec.err
    assert "a stored file is damaged" in probec.err
    assert (project / DATA).read_bytes() == published

    rows.unlink()
    assert build(probec, "--set", "publish.source_label=other")["expand"] == 1
    assert probec("verify-rows", "build/datasets/tiny") == 0


def test_a_published_file_with_a_flipped_bit_is_not_installed(
    probec: Probec, project: Path
) -> None:
    build(probec)
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
def test_a_record_of_a_step_that_is_not_its_own_is_none(
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

    assert found["ran"]["score"] == 1  # type: ignore[index]
    assert found["outputs"] == outputs
