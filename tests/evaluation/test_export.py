"""`probec export`: the rows of a dataset in the format of other tools."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pyarrow.parquet as pq
import pytest

from compiler.evaluation.exports import FORMATS
from compiler.evaluation.items import continued
from compiler.keys import bytes_digest
from tests.conftest import ROOT, Probec
from tests.evaluation.test_questions import lines, published

SPEC = "specs/tiny.yaml"
SPLITS = ("--splits", "train=0.5,test=0.5")
TRAINING = (*SPLITS, "--layers", "2,4,6", "--tokens")


def arguments(name: str) -> tuple[str, ...]:
    form = FORMATS[name]
    return ("export", SPEC, "--to", name, "--out", "out", *(TRAINING if form.training else ()))


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.usefixtures("tiny")
def test_a_manifest_names_every_file_and_the_dataset(probec: Probec, name: str) -> None:
    dataset = probec.json("evaluate", "questions", SPEC)["dataset"]
    probec.json(*arguments(name))
    first = {path.name: path.read_bytes() for path in Path("out").iterdir()}
    probec.json(*arguments(name))
    manifest = json.loads(first.pop("export.json"))

    assert {path.name: path.read_bytes() for path in Path("out").iterdir()}.items() >= first.items()
    assert (manifest["format"], manifest["dataset"]) == (name, dataset)
    assert {each["name"]: each["sha256"] for each in manifest["files"]} == {
        file: bytes_digest(data) for file, data in first.items()
    }


@pytest.mark.usefixtures("tiny")
def test_training_rows_come_by_document_and_name_the_hidden_state(
    probec: Probec, project: Path
) -> None:
    rows = published(project)
    probec.json(*arguments("ao"))
    parts = {name: lines(Path(f"out/{name}.jsonl")) for name in ("train", "test")}
    documents = {name: {each["meta_info"]["doc_id"] for each in own} for name, own in parts.items()}
    probec.json("evaluate", "questions", SPEC, "--tokens")
    asked = {str(each["probe_id"]): each for each in lines(Path("questions.jsonl"))[1:]}

    assert not documents["train"] & documents["test"]
    assert sum(map(len, parts.values())) == 3 * len(rows)
    for each in [*parts["train"], *parts["test"]]:
        key = each["meta_info"]["probe_id"]
        assert each["context_input_ids"] == asked[key]["token_ids"]
        assert each["context_positions"] == [asked[key]["position"]]
        assert each["target_output"] == rows[key]["target_response"]
        assert each["layer"] in (2, 4, 6)


@pytest.mark.usefixtures("tiny")
def test_cot_oracle_repeats_the_position_for_every_layer(probec: Probec, project: Path) -> None:
    probec.json(*arguments("cot-oracle"))
    found = [row for name in ("train", "test")
             for row in pq.read_table(f"out/{name}.parquet").to_pylist()]  # fmt: skip

    assert {row["probe_id"] for row in found} == set(published(project))
    for row in found:
        assert row["layers"] == [2, 4, 6]
        assert row["context_positions"] == [len(row["context_input_ids"]) - 1] * 3


@pytest.mark.usefixtures("tiny")
def test_lm_eval_has_the_truth_at_either_place(probec: Probec, project: Path) -> None:
    rows = published(project)
    probec.json(*arguments("lm-eval"))
    golds = set()
    for path in Path("out").glob("*.jsonl"):
        for each in lines(path):
            choices, gold = cast(list[str], each["choices"]), int(str(each["gold"]))
            row = rows[str(each["probe_id"])]
            truth = "target_response" if each["scope"] == "whole" else "atom_text"
            assert choices[gold] == continued(str(row[truth]))
            assert choices[1 - gold] == continued(str(row["incorrect_plausible_answer"]))
            golds.add(gold)
            assert str(each["query"]).endswith("Answer:")
            assert str(row["verbalizer_prompt"]) in str(each["query"])

    assert golds == {0, 1}
    assert "task: probec_probes_word" in Path("out/probes_word.yaml").read_text(encoding="utf-8")


@pytest.mark.usefixtures("tiny")
def test_inspect_samples_carry_what_groups_them(probec: Probec, project: Path) -> None:
    rows = published(project)
    probec.json(*arguments("inspect"), "--scope", "sentence")
    found = lines(Path("out/probes.jsonl"))

    assert {each["id"] for each in found} == {
        key for key, row in rows.items() if row["scope"] == "sentence"
    }
    for each in found:
        assert each["target"] == rows[str(each["id"])]["atom_text"]
        assert each["metadata"]["doc_id"] == rows[str(each["id"])]["doc_id"]
        assert str(each["target"]) not in str(each["input"])
    compile(Path("out/task.py").read_text(encoding="utf-8"), "task.py", "exec")


@pytest.mark.usefixtures("tiny")
def test_jsonl_has_all_columns_of_the_chosen_rows(probec: Probec, project: Path) -> None:
    probec.json(*arguments("jsonl"), "--scope", "lens")
    rows = {key: row for key, row in published(project).items() if row["scope"] == "lens"}

    assert {str(each["probe_id"]): each for each in lines(Path("out/probes.jsonl"))} == rows


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--to", "ao"), "training rows must not be those of the evaluation"),
        (("--to", "ao", *SPLITS), "names the hidden state by tokens and layers"),
        (("--to", "ao", *SPLITS, "--layers", "x", "--tokens"), "are not layers"),
        (("--to", "jsonl", "--splits", "train=0.5"), "the shares add up to 0.5, not 1"),
        (("--to", "jsonl", "--splits", "train"), "is not NAME=SHARE"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_bad_options_name_the_remedy(probec: Probec, more: tuple[str, ...], message: str) -> None:
    assert probec("export", SPEC, "--out", "out", *more) == 2
    assert message in probec.err
    assert not Path("out").exists()


@pytest.mark.usefixtures("tiny")
def test_a_directory_with_other_files_is_left_alone(probec: Probec) -> None:
    Path("out").mkdir()
    Path("out/mine.txt").write_text("mine")

    assert probec(*arguments("jsonl")) == 2
    assert "holds other files, such as mine.txt" in probec.err
    assert [path.name for path in Path("out").iterdir()] == ["mine.txt"]


def test_every_format_is_documented() -> None:
    text = (ROOT / "docs/evaluate.md").read_text(encoding="utf-8")

    assert not [name for name in FORMATS if f"`{name}`" not in text]
