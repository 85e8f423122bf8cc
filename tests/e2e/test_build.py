"""The whole compiler over real rollouts: build, rebuild, edit, interrupt, resume."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from compiler.llm.responses import ResponseLog
from tests.conftest import LICENSE, ROOT, Probec, installed

SPEC = "specs/tiny.yaml"
STAGES = (
    "ingest", "sample", "generate", "finalize", "expand", "answer", "judge", "score", "publish",
    "release",
)  # fmt: skip


def build(probec: Probec, *args: str) -> dict[str, int]:
    """Build and return the number of executed steps per stage, without stages that ran none."""
    ran = probec.json("build", SPEC, *args)["ran"]
    assert isinstance(ran, dict)
    return {stage: count for stage, count in ran.items() if count}


def planned(probec: Probec, *args: str) -> dict[str, set[str]]:
    """Return the states of each stage's steps in a plan."""
    found: dict[str, set[str]] = {}
    steps = probec.json("plan", SPEC, *args)["steps"]
    assert isinstance(steps, list)
    for step in steps:
        found.setdefault(step["stage"], set()).add(step["state"])
    return found


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_second_build_is_reported_as_a_no_op(probec: Probec) -> None:
    first = probec.json("build", SPEC)
    assert set(build(probec)) == set()

    assert probec("build", SPEC) == 0
    assert probec.out.startswith("everything is up to date: ")
    again = probec.json("build", SPEC)
    assert (again["up_to_date"], again["outputs"]) == (True, first["outputs"])
    assert set(first["ran"]) == set(STAGES)


@pytest.mark.usefixtures("tiny")
def test_an_edited_judge_prompt_reruns_the_judge_with_early_cutoff_on_equal_verdicts(
    probec: Probec, project: Path
) -> None:
    """Expect equal verdicts from the embedded judge; only the card counts different tokens."""
    edit(project / "prompts/judge/base/system.j2", "grade an answer", "mark an answer")

    states = planned(probec)
    assert {stage for stage, found in states.items() if found == {"fresh"}} == set(STAGES[:6])
    assert states["judge"] == {"stale"}
    assert probec("why", SPEC, "judge", "0.0") == 0
    assert "templates.judge/base/system.j2: " in probec.out
    assert set(build(probec)) == {"judge", "release"}


@pytest.mark.usefixtures("tiny")
def test_comments_and_key_order_run_nothing(probec: Probec, project: Path) -> None:
    spec = project / SPEC
    head, _, rest = spec.read_text(encoding="utf-8").partition("extends: base.yaml\n")
    spec.write_text(f"# changed\n{rest}\n# more\nextends: base.yaml\n{head}", encoding="utf-8")

    assert build(probec) == {}


@pytest.mark.usefixtures("tiny")
def test_an_override_is_part_of_the_identity(probec: Probec) -> None:
    level = planned(probec, "--set", "calibration.level=2")
    rollouts = planned(probec, "--set", "scoring.rollouts=3")

    assert level["generate"] == {"stale"}
    assert level["sample"] == {"fresh"}
    assert rollouts["answer"] == {"stale"}
    assert rollouts["expand"] == {"fresh"}
    assert planned(probec)["release"] == {"fresh"}


@pytest.mark.usefixtures("tiny")
def test_a_change_of_rollouts_sends_only_new_requests(probec: Probec, project: Path) -> None:
    log = ResponseLog(project / ".probec/responses.sqlite")
    five = len(log)
    build(probec, "--set", "scoring.rollouts=3")
    assert len(log) == five
    stats = probec.json("build", SPEC, "--set", "scoring.rollouts=7")["stats"]
    assert isinstance(stats, dict)
    probes = stats["cells"][-1]["scored"]

    assert len(log) == five + 2 * 2 * probes


@pytest.mark.usefixtures("tiny")
def test_an_edited_document_reruns_only_its_shard(probec: Probec, project: Path) -> None:
    path = project / "specs/data/tiny.jsonl"
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    drawn = [row["doc_id"] for row in dataset(project) if row["round_idx"] == 1]
    for row in rows:
        if row["doc_id"] == drawn[0]:
            row["continuation"] += " And then the whole crew went home to rest."
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    # A locked round rejects a changed document, so its lock is removed.
    for lock in (project / "build/rounds/tiny").glob("1-*.json"):
        lock.unlink()

    ran = build(probec)
    assert ran["sample"] == ran["generate"] == ran["finalize"] == ran["publish"] == 1


@pytest.mark.usefixtures("tiny")
def test_the_order_of_the_source_does_not_matter(probec: Probec, project: Path) -> None:
    path = project / "specs/data/tiny.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(True)
    path.write_text("".join(reversed(lines)), encoding="utf-8")

    assert build(probec) == {"ingest": 1}


@pytest.mark.usefixtures("tiny")
def test_a_new_round_keeps_the_files_of_earlier_rounds(probec: Probec, project: Path) -> None:
    file = installed(project) / "data/train-round-000.parquet"
    before = file.read_bytes()
    rounds = "rounds=[{docs: 4}, {docs: 2}, {docs: 2}]"
    ran = build(probec, "--set", rounds)

    assert ran == {**dict.fromkeys(STAGES[1:9], 1), "release": 1}
    assert file.read_bytes() == before
    ids = {(row["round_idx"], row["doc_id"]) for row in dataset(project)}
    assert len({doc_id for _, doc_id in ids}) == len(ids)


def test_a_rebuild_after_deleting_every_artifact_sends_nothing(
    probec: Probec, project: Path
) -> None:
    outputs = probec.json("build", SPEC)["outputs"]
    log = ResponseLog(project / ".probec/responses.sqlite")
    asked = len(log)
    for name in ("objects", "steps", "heads", "datasets"):
        subprocess.run(["rm", "-r", str(project / "build" / name)], check=True)
    again = probec.json("build", SPEC)

    assert again["outputs"] == outputs
    assert len(log) == asked


@pytest.mark.parametrize(
    ("file", "data"),
    [
        ("data/train-round-000.parquet", b"PAR1"),
        ("stats.json", b"{}"),
        ("data/train-round-009.parquet", b"somebody's"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_an_incomplete_installed_dataset_is_installed_again(
    file: str, data: bytes, probec: Probec, project: Path
) -> None:
    """Cover the states that a full disk or a power failure can leave."""
    root = installed(project)
    whole = {path: path.read_bytes() for path in root.rglob("[!.]*") if path.is_file()}
    (root / file).write_bytes(data)

    assert build(probec) == {}
    assert {path: path.read_bytes() for path in root.rglob("[!.]*") if path.is_file()} == whole


def test_files_that_no_build_wrote_are_kept(probec: Probec, project: Path) -> None:
    root = installed(project)
    root.mkdir(parents=True)
    (root / "thesis.txt").write_text("precious")
    assert probec("build", SPEC) == 1
    assert "thesis.txt: not written by a build" in probec.err
    (root / "thesis.txt").unlink()

    build(probec)
    (root / ".git").mkdir()
    (root / ".git/HEAD").write_text("ref")
    (root / "notes.txt").write_text("mine")
    (root / "data/.gitkeep").write_text("")
    edit(project / SPEC, LICENSE, "license: mit\n")
    assert build(probec) == {"release": 1}
    assert 'license: "mit"' in (root / "README.md").read_text()
    assert (root / ".git/HEAD").read_text() == "ref"
    assert (root / "notes.txt").read_text() == "mine"

    # Data files of another origin would be read as part of the dataset.
    (root / "data/more.parquet").write_bytes(b"PAR1")
    assert probec("build", SPEC) == 1
    assert "more.parquet: not written by a build, but would be read as data" in probec.err


@pytest.mark.usefixtures("tiny")
def test_an_installed_file_that_was_edited_is_installed_again(
    probec: Probec, project: Path
) -> None:
    card = installed(project) / "README.md"
    was = card.read_text(encoding="utf-8")
    card.write_text(was.replace("0", "9"), encoding="utf-8")

    assert build(probec) == {}
    assert card.read_text(encoding="utf-8") == was


@pytest.mark.parametrize(
    "text", ["[1]", "{}", '{"PATH": {}}', '{"PATH": {"stamp": []}}', "7", "no JSON"]
)
def test_an_invalid_cache_of_source_digests_is_ignored(
    text: str, probec: Probec, project: Path
) -> None:
    place = str(project / "specs/data/tiny.jsonl")
    (project / "build").mkdir()
    (project / "build/sources.json").write_text(text.replace("PATH", place), encoding="utf-8")

    assert build(probec)["ingest"] == 1


def test_a_source_is_spooled_in_the_build_directory(
    probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Do without the machine's temporary directory, which may be too small."""
    monkeypatch.setattr(tempfile, "tempdir", "/nowhere")
    assert build(probec)["ingest"] == 1


def test_outputs_do_not_depend_on_build_directory_or_hash_seed(
    probec: Probec, project: Path, tmp_path: Path
) -> None:
    here = probec.json("build", SPEC)
    elsewhere = subprocess.run(
        [sys.executable, "-m", "compiler", "build", SPEC, "--json", "--build-dir", tmp_path / "b"],
        cwd=project,
        env={**os.environ, "PYTHONHASHSEED": "123", "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=True,
    )

    assert json.loads(elsewhere.stdout)["outputs"] == here["outputs"]


def finished_steps(project: Path) -> int:
    return sum(1 for _ in (project / "build/steps").rglob("*.json"))


@pytest.mark.parametrize("stop", [signal.SIGKILL, signal.SIGINT])
@pytest.mark.long
def test_a_build_that_was_killed_anywhere_is_finished_by_the_next(
    probec: Probec, project: Path, stop: signal.Signals
) -> None:
    reference = probec.json("build", SPEC, "--build-dir", str(project / "reference"))["outputs"]
    subprocess.run(["rm", "-r", str(project / ".probec")], check=True)
    command = [sys.executable, "-m", "compiler", "build", SPEC]
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    for steps in (0, 5, 12, 20):
        child = subprocess.Popen(
            command, cwd=project, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE
        )
        while child.poll() is None and finished_steps(project) <= steps:
            time.sleep(0.01)
        child.send_signal(stop)
        _, err = child.communicate(timeout=60)
        if stop is signal.SIGINT and child.returncode == 130:
            assert b"run the same command to resume" in err
            assert b"Traceback" not in err

    assert probec.json("build", SPEC)["outputs"] == reference


def dataset(project: Path, name: str = "tiny") -> list[dict[str, Any]]:
    """Read all rows without the compiler's own code."""
    import pyarrow.parquet as pq

    rows: list[dict[str, Any]] = []
    for file in sorted((installed(project, name) / "data").glob("train-*.parquet")):
        rows.extend(pq.read_table(file).to_pylist())
    return rows


def test_an_independent_reader_finds_every_row_in_order(probec: Probec, project: Path) -> None:
    """Use the column semantics alone, and none of the compiler's own checks."""
    data = probec.json("build", SPEC)
    rows = dataset(project)
    sources: dict[str, dict[int, str]] = {}
    for line in (project / "specs/data/tiny.jsonl").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        sources.setdefault(row["doc_id"], {})[row["doc_idx"]] = row["prefix"] + row["continuation"]
    groups = {"word": "word_lens", "lens": "word_lens"}
    rounds: dict[str, set[object]] = {}
    for r in rows:
        doc, split = str(r["doc"]), r["split_char_offset"]
        assert isinstance(split, int)
        splits = r["row_splits"]
        assert isinstance(splits, dict)
        # The filters cut continuations at their ends.
        source = sources[str(r["doc_id"])][int(str(r["doc_idx"]))]
        assert doc == source[: len(doc)]
        assert doc == source or doc.endswith((".", "!", "?", '"'))
        assert split == splits[groups.get(str(r["scope"]), str(r["scope"]))]
        assert 0 < split < len(doc)
        start, end = int(str(r["atom_start"])), int(str(r["atom_end"]))
        assert doc[start:end] == r["atom_text"]
        suffix = r["target"] == "suffix"
        assert (split <= start < end <= len(doc)) if suffix else (0 <= start < end <= split)
        assert r["context"] == (doc[:split] if suffix else doc[split:])
        assert not suffix or start >= int(str(r["gen_start_char"]))
        if r["signed_index"] is not None:
            assert (int(str(r["signed_index"])) > 0) == suffix
            assert abs(int(str(r["signed_index"]))) == r["abs_index"]
        for name, value in r.items():
            assert value is None or not isinstance(value, str) or value.strip(), name
            assert value not in (-9999, -1) or name in (
                "signed_index",
                "signed_index_hint",
                "actual_word_distance_from_split",
            ), name
        if r["score_status"] == "scored":
            scores = r["bb_answer_rollout_scores"]
            assert isinstance(scores, list)
            assert len(scores) == len(r["bb_answer_rollout_answers"]) == 5
            assert r["bb_answer_score_max"] == max(scores)
            assert abs(sum(scores) / 5 - float(str(r["bb_answer_score_mean"]))) < 1e-9
        rounds.setdefault(str(r["doc_id"]), set()).add(r["round_idx"])
    assert all(len(found) == 1 for found in rounds.values())

    lines = (installed(project) / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    rejects = [json.loads(line) for line in lines]
    accounted = Counter((r["doc_id"], r["slot_idx"]) for r in rows)
    accounted.update((r["doc_id"], r["slot"]) for r in rejects)
    assert set(accounted.values()) == {1}
    assert len(accounted) == 6 * 16
    stats = data["stats"]
    assert isinstance(stats, dict)
    assert stats["probes"] == len(rows)
    by_scope = Counter(str(r["scope"]) for r in rows)
    assert {s["scope"]: s["built"] for s in stats["scopes"]} == dict(by_scope)


def test_the_published_dtypes_reproduce_the_float_indices(probec: Probec, project: Path) -> None:
    import pyarrow.parquet as pq

    build(probec, "--set", "publish.dtypes=published")
    schema = pq.read_schema(installed(project) / "data/train-round-000.parquet")

    for name in (
        "slot_idx", "abs_index", "signed_index", "signed_index_hint", "n_tokens_actual",
        "actual_word_distance_from_split",
    ):  # fmt: skip
        assert str(schema.field(name).type) == "double"
    assert str(schema.field("row_seed").type) == "int64"


def test_another_layout_of_the_same_rows_is_a_different_file(probec: Probec, project: Path) -> None:
    import pyarrow.parquet as pq

    name = "data/train-round-000.parquet"
    build(probec)
    path = installed(project) / name
    plain = path.read_bytes()
    assert set(build(probec, "--set", "publish.dtypes=published")) == {"publish"}
    schema = pq.read_schema(installed(project) / name)
    assert str(schema.field("signed_index").type) == "double"
    build(probec, "--set", "publish.row_group_rows=16")
    assert pq.ParquetFile(installed(project) / name).num_row_groups > 1
    assert build(probec) == {}
    assert path.read_bytes() == plain


@pytest.mark.usefixtures("tiny")
def test_the_directory_loads_with_datasets(probec: Probec, project: Path, tmp_path: Path) -> None:
    code = (
        "import sys, datasets\n"
        "d = datasets.load_dataset(sys.argv[1], cache_dir=sys.argv[2])['train']\n"
        "print(len(d), ' '.join(d.column_names[:35]))"
    )
    place = str(installed(project))
    found = subprocess.run(
        [sys.executable, "-c", code, place, str(tmp_path / "cache")],
        env={**os.environ, "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "hf")},
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    card = (ROOT / "tests/data/published_columns.txt").read_text(encoding="utf-8").split()

    assert int(found[0]) == len(dataset(project))
    assert found[1:] == card
