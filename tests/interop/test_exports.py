"""Our exports in the harnesses that they are for, and their clustered error against ours."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from compiler.statistics.measures.clusters import Clusters, clustered_error
from tests.conftest import ROOT, Probec
from tests.evaluation.test_questions import lines, published
from tests.interop.conftest import program, ran

ASKED, RIGHT = 5, 2

SPEC = "specs/tiny.yaml"


@pytest.mark.usefixtures("tiny")
def test_inspect_loads_every_sample_and_scores_a_mock_model(probec: Probec, project: Path) -> None:
    python = program("inspect", "python")
    probec.json("export", SPEC, "--to", "inspect", "--out", "out", "--scope", "word")
    client = str(ROOT / "tests/interop/inspect_client.py")
    found = json.loads(ran([python, client, "out"], project).splitlines()[-1])
    rows = {key: row for key, row in published(project).items() if row["scope"] == "word"}

    assert found["status"] == "success"
    assert found["samples"] == {key: row["atom_text"] for key, row in rows.items()}
    assert found["metrics"]["mean"] == found["metrics"]["word"] == RIGHT / ASKED
    # Inspect corrects for the number of clusters; ours is the formula without it.
    documents = Clusters.of(found["documents"])
    values = [float(place % 3 == 0) for place in range(len(rows))]
    ours = clustered_error(values, documents).error
    assert ours is not None
    corrected = ours * (documents.count / (documents.count - 1)) ** 0.5
    assert found["stderr"] == pytest.approx(corrected, abs=1e-6)


@pytest.mark.usefixtures("tiny")
def test_the_lm_evaluation_harness_runs_every_scope(probec: Probec, project: Path) -> None:
    harness = program("lm-eval", "lm_eval")
    probec.json("export", SPEC, "--to", "lm-eval", "--out", "out")
    tasks = sorted(path.stem for path in Path("out").glob("*.yaml"))
    ran(
        [harness, "--model", "dummy", "--tasks", ",".join(f"probec_{each}" for each in tasks),
         "--include_path", ".", "--output_path", "results", "--log_samples"],
        project / "out",
        HF_HUB_OFFLINE="1",
        HF_DATASETS_OFFLINE="1",
        HF_HOME=str(project / "cache"),
    )  # fmt: skip
    for each in tasks:
        asked = {str(row["probe_id"]): row for row in lines(Path(f"out/{each}.jsonl"))}
        (file,) = Path("out/results").rglob(f"samples_probec_{each}_*.jsonl")
        seen = {str(row["doc"]["probe_id"]): row for row in lines(file)}
        assert seen.keys() == asked.keys()
        for key, row in seen.items():
            scored = [each["arg_1"] for each in row["arguments"].values()]
            assert scored == asked[key]["choices"]
            assert int(str(row["target"])) == asked[key]["gold"]
