"""Pushes to directories and URLs: the order of files, what is sent again, and interruptions."""

from __future__ import annotations

import json
import os
import re
from contextlib import chdir
from pathlib import Path
from typing import Any

import pytest

from compiler.engine.remote import Remote
from tests.conftest import Probec
from tests.e2e.test_cache import bucket, s3
from tests.publishing.conftest import publishing

__all__ = ["bucket", "s3"]
SPEC = "specs/tiny.yaml"
SPLITS = "splits: {train: 0.5, test: 0.5}\nconfigs: [documents, hard]"


@pytest.fixture
def split(tiny: None, project: Path) -> Path:
    """Declare splits and every configuration, and return the place to push to."""
    publishing(project, SPLITS)
    return project / "out"


def names(folder: Path) -> list[str]:
    return sorted(p.relative_to(folder).as_posix() for p in folder.rglob("*") if p.is_file())


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Record the files that are sent, in their order."""
    found: list[str] = []
    send = Remote.send

    def recorded(self: Remote, name: str, path: Path) -> None:
        found.append(name)
        send(self, name, path)

    monkeypatch.setattr(Remote, "send", recorded)
    return found


def test_data_goes_first_the_manifest_last_and_nothing_twice(
    split: Path, probec: Probec, sent: list[str]
) -> None:
    first = probec.json("push", SPEC, "--to", "out")
    order = sent.copy()
    manifest = json.loads((split / "publication.json").read_text(encoding="utf-8"))
    stamps = {path: path.stat().st_mtime_ns for path in split.rglob("*")}
    again = probec.json("push", SPEC, "--to", str(split))

    assert sorted(order) == first["added"] == names(split)
    assert order[-2:] == ["README.md", "publication.json"]
    texts = {"audits.jsonl", "card.json", "rejects.jsonl", "stats.json"}
    assert set(order[-6:-2]) == texts
    assert sorted([*manifest["files"], "publication.json"]) == names(split)
    assert again["unchanged"] == first["added"]
    assert stamps == {path: path.stat().st_mtime_ns for path in split.rglob("*")}


def test_a_push_that_ended_early_is_continued(
    split: Path, probec: Probec, monkeypatch: pytest.MonkeyPatch
) -> None:
    send, started = Remote.send, list[str]()

    def interrupted(self: Remote, name: str, path: Path) -> None:
        started.append(name)
        if len(started) == 4:
            raise KeyboardInterrupt
        send(self, name, path)

    with monkeypatch.context() as patch:
        patch.setattr(Remote, "send", interrupted)
        assert probec("push", SPEC, "--to", "out") == 130
    left = names(split)
    resumed = probec.json("push", SPEC, "--to", "out")

    assert left == sorted([".arrived.json", *started[:3]])
    assert resumed["unchanged"] == sorted(started[:3])
    assert ".arrived.json" not in names(split)
    assert probec.json("push", SPEC, "--to", "out")["added"] == []


def test_only_what_changed_is_sent_and_what_is_stale_deleted(
    split: Path, probec: Probec, project: Path, sent: list[str]
) -> None:
    probec.json("push", SPEC, "--to", "out")
    (split / "notes.txt").write_text("kept", encoding="utf-8")
    sent.clear()
    spec = project / SPEC
    spec.write_text(spec.read_text(encoding="utf-8").replace("[documents, hard]", "[documents]"))
    changed = probec.json("push", SPEC, "--to", "out")

    assert sent == ["README.md", "publication.json"] == changed["replaced"]
    assert {name.partition("/")[0] for name in changed["deleted"]} == {"hard"}
    assert not [name for name in names(split) if name.startswith("hard")]
    assert (split / "notes.txt").exists()
    text = spec.read_text(encoding="utf-8")
    spec.write_text(text.replace("test: 0.5", "validation: 0.5"), encoding="utf-8")
    moved = probec.json("push", SPEC, "--to", "out")
    # The documents of test are those of validation now.
    assert {name.partition("-")[0] for name in moved["deleted"]} == {"data/test", "documents/test"}
    assert {name.partition("-")[0] for name in moved["added"]} == {
        "data/validation",
        "documents/validation",
    }
    assert probec("card", "out", "--check") == 0, probec.out


def test_a_damaged_file_is_sent_again(split: Path, probec: Probec) -> None:
    probec.json("push", SPEC, "--to", "out")
    (split / "stats.json").write_bytes(b"{}")
    (split / "data/test-round-000.parquet").unlink()
    repaired = probec.json("push", SPEC, "--to", "out")

    assert repaired["replaced"] == ["stats.json"]
    assert repaired["added"] == ["data/test-round-000.parquet"]


def test_a_directory_that_no_push_wrote_is_refused(
    split: Path, probec: Probec, project: Path
) -> None:
    split.mkdir()
    (split / "thesis.tex").write_text("mine", encoding="utf-8")

    assert probec("push", SPEC, "--to", "out") == 1
    assert "not empty, and no push wrote it: it has thesis.tex" in probec.err
    assert probec("push", SPEC, "--to", "build/datasets/tiny") == 1
    assert names(split) == ["thesis.tex"]


def test_the_place_in_the_spec_starts_at_the_project(
    split: Path, probec: Probec, project: Path, tmp_path: Path
) -> None:
    publishing(project, "to: out/from-spec")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with chdir(elsewhere):
        found = probec.json("push", str(project / SPEC))

    assert (split / "from-spec/publication.json").is_file()
    assert found["to"] == os.path.relpath(split / "from-spec", elsewhere)


def test_an_excluded_document_is_in_no_row_and_counted_on_the_card(
    split: Path, probec: Probec, project: Path
) -> None:
    import pyarrow.parquet as pq

    locks = {path: path.read_bytes() for path in (project / "build/rounds").rglob("*.json")}
    built = sorted((project / "build/datasets/tiny/data").glob("*.parquet"))
    rows = pq.read_table(built, columns=["doc_id"]).to_pydict()["doc_id"]
    gone, count = rows[0], rows.count(rows[0])
    (project / "gone.txt").write_text(f"# taken down\n{gone}\nno-such-document\n", encoding="utf-8")
    publishing(project, "exclude: gone.txt")
    before = {path: path.read_bytes() for path in built}
    assert probec("push", SPEC, "--to", "out") == 0, probec.err
    noted = probec.err

    assert "ids of gone.txt without a built document: 1" in noted
    for folder in ("data", "documents", "hard"):
        for path in (split / folder).iterdir():
            assert gone not in pq.read_table(path, columns=["doc_id"]).to_pydict()["doc_id"]
    assert len(pq.read_table(split / "data")) == len(rows) - count
    card = (split / "README.md").read_text(encoding="utf-8")
    assert f"Taken out after the build: 1 document with {count} probes" in card
    assert "| publish |" in card
    assert "| the document was taken out of the published rows (`publish.exclude`) |" in card
    assert "another version" not in card
    lines = (split / "rejects.jsonl").read_text(encoding="utf-8").splitlines()
    rejects = [json.loads(line) for line in lines]
    assert sum(each["reason"] == "excluded" for each in rejects) == count
    assert all(each["detail"] == "" for each in rejects if each["doc_id"] == gone)
    assert gone not in (split / "audits.jsonl").read_text(encoding="utf-8")
    assert probec("card", "out", "--check") == 0, probec.out
    assert probec("verify-rows", "out") == 0, probec.out
    # The settings are in no key and in no round's identity.
    ran = probec.json("build", SPEC)["ran"]
    assert isinstance(ran, dict)
    assert set(ran.values()) == {0}
    assert locks == {path: path.read_bytes() for path in (project / "build/rounds").rglob("*.json")}
    assert before == {path: path.read_bytes() for path in built}


@pytest.mark.parametrize(
    ("settings", "code", "message"),
    [
        ("splits: {train: 0.9, test: 0.2}", 2, "the shares of splits add up to 1.1, not 1"),
        ("splits: {train: 1.0, test: 0.0}", 2, "a split has the share 0"),
        ("splits: {train: 0.999999, test: 0.000001}", 1, "no document is in the split test"),
        ("exclude: nowhere.txt", 2, "publish.exclude cannot be read"),
        ("configs: [harder]", 2, "publish.configs[0]: unknown value"),
    ],
)
def test_settings_that_cannot_be_published_are_named(
    settings: str, code: int, message: str, tiny: None, project: Path, probec: Probec
) -> None:
    publishing(project, settings)

    assert probec("push", SPEC, "--to", "out") == code
    assert message in probec.err
    assert not (project / "out").exists()


def test_an_object_store_gets_the_same_files(split: Path, bucket: str, probec: Probec) -> None:
    import s3fs

    probec.json("push", SPEC, "--to", bucket)
    again = probec.json("push", SPEC, "--to", bucket)
    files = s3fs.S3FileSystem(skip_instance_cache=True)
    root = bucket.removeprefix("s3://")
    there = sorted(name.removeprefix(f"{root}/") for name in files.find(root))

    assert there == again["unchanged"]
    manifest = json.loads(files.cat_file(f"{root}/publication.json"))
    assert manifest["to"] == bucket
    for name, stored in manifest["files"].items():
        assert files.size(f"{root}/{name}") == stored["bytes"]


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_every_configuration_and_split_loads_by_name_and_the_code_of_the_card_runs(
    split: Path, probec: Probec, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    import datasets
    import pyarrow.parquet as pq
    import yaml

    probec.json("push", SPEC, "--to", "out")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    built = {
        row["probe_id"]: row
        for name in (0, 1)
        for row in pq.read_table(
            split.parent / f"build/datasets/tiny/data/train-round-00{name}.parquet"
        ).to_pylist()
    }
    loaded = {
        config: {
            split_: datasets.load_dataset(str(split), config, split=split_)
            for split_ in ("train", "test")
        }
        for config in ("default", "documents", "hard")
    }
    rows = [row for each in loaded["default"].values() for row in each]
    parts = {s: set(each["doc_id"]) for s, each in loaded["documents"].items()}

    assert len(rows) == len(built)
    assert {row["probe_id"]: row for row in rows} == built
    assert parts == {s: set(each["doc_id"]) for s, each in loaded["default"].items()}
    assert not parts["train"] & parts["test"]
    hard = [row for each in loaded["hard"].values() for row in each]
    assert hard
    assert all(row["band"] in ("hard", None) for row in hard)
    assert all(built[row["probe_id"]] == row for row in hard)
    for each in (row for part in loaded["documents"].values() for row in part):
        own = [row for row in rows if row["doc_id"] == each["doc_id"]]
        assert {row["doc"] for row in own} == {each["prefix"] + each["continuation"]}
        assert each["n_probes"] == len(own)
    card = (split / "README.md").read_text(encoding="utf-8")
    front = yaml.safe_load(card.split("---\n")[1])
    assert (front["license"], front["language"]) == ("other", ["en"])
    assert front["license_name"] == "public-domain-and-gemma-output"
    assert front["license_link"] == "https://ai.google.dev/gemma/terms"
    assert front["annotations_creators"] == ["machine-generated"]
    assert front["language_creators"] == ["found", "machine-generated"]
    assert front["source_datasets"] == ["original"]
    assert {info["config_name"]: info for info in front["dataset_info"]}.keys() == loaded.keys()
    for info in front["dataset_info"]:
        parts_ = loaded[info["config_name"]]
        counts = {each["name"]: each["num_examples"] for each in info["splits"]}
        assert counts == {name: each.num_rows for name, each in parts_.items()}
        declared = datasets.Features._from_yaml_list(info["features"])
        assert all(declared == each.features for each in parts_.values())
        assert info["dataset_size"] == sum(each["num_bytes"] for each in info["splits"])
    blocks = re.findall(r"With (\w+), .*?```python\n(.*?)```", card, re.DOTALL)
    assert [name for name, _ in blocks] == ["datasets", "polars", "duckdb", "pandas"]
    with chdir(split):
        for name, code in blocks:
            assert len([line for line in code.splitlines() if line]) <= 5, name
            scope: dict[str, Any] = {}
            exec(code, scope)
            assert count(scope["probes"]) == loaded["default"]["train"].num_rows, name


def count(probes: object) -> int:
    """Count the rows of a table of any library."""
    if hasattr(probes, "num_rows"):
        return int(probes.num_rows)
    return int(probes.shape[0])  # pyrefly: ignore[missing-attribute]
