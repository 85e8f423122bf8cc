"""`probec evaluate questions`: what a method may see, and no answer."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from compiler.evaluation.questions import Places
from compiler.probes import tokens
from tests.conftest import ROOT, Probec

SPEC = "specs/tiny.yaml"
FIELDS = {
    *("probe_id", "scope", "target", "question", "context"),
    *("activation_text", "activation_char", "doc_digest"),
}
TOKENS = {"token_ids", "position", "token_boundary"}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def published(project: Path) -> dict[str, dict[str, Any]]:
    table = pq.read_table(project / "build/datasets/tiny/data").to_pylist()
    return {row["probe_id"]: row for row in table}


@pytest.mark.usefixtures("tiny")
def test_a_question_holds_no_answer_and_says_where_the_hidden_state_is(
    probec: Probec, project: Path
) -> None:
    made = probec.json("evaluate", "questions", SPEC, "--tokens")
    head, *found = lines(project / "questions.jsonl")
    rows = published(project)

    assert (head["kind"], head["rows"]) == ("probec-questions/1", len(found))
    assert head["dataset"] == made["dataset"]
    assert {str(each["probe_id"]) for each in found} == set(rows)
    for each in found:
        assert set(each) == FIELDS | TOKENS
        row = rows[str(each["probe_id"])]
        doc, split = str(row["doc"]), int(str(row["split_char_offset"]))
        assert (each["activation_text"], each["activation_char"]) == (doc[:split], split)
        assert each["context"] == row["context"]
        if row["target"] == "suffix":
            behind = doc[split:].strip()
            assert not any(behind in str(value) for value in each.values())
        # The stand-in tokenizer has no special tokens.
        assert each["position"] == len(each["token_ids"]) - 1 == row["split_token_idx"] - 1
        assert each["token_boundary"] is True


@pytest.mark.usefixtures("tiny")
def test_the_dataset_digest_is_that_of_the_rows_in_any_form(probec: Probec, project: Path) -> None:
    from_spec = probec.json("evaluate", "questions", SPEC)["dataset"]
    folder = project / "build/datasets/tiny"
    from_folder = probec.json("evaluate", "questions", str(folder))["dataset"]
    table = pq.read_table(folder / "data")
    pq.write_table(table.take([*reversed(range(len(table)))]), project / "other.parquet")
    from_file = probec.json("evaluate", "questions", "other.parquet")["dataset"]
    pq.write_table(table.slice(1), project / "less.parquet")

    assert from_spec == from_folder == from_file
    assert probec.json("evaluate", "questions", "less.parquet")["dataset"] != from_spec


@pytest.mark.usefixtures("tiny")
def test_probes_are_selected_by_scope_band_and_whole_documents(
    probec: Probec, project: Path
) -> None:
    probec.json(
        *("evaluate", "questions", SPEC, "--scope", "word", "--scope", "sentence", "--docs", "2")
    )
    head, *found = lines(project / "questions.jsonl")
    rows = published(project)
    documents = {rows[str(each["probe_id"])]["doc_id"] for each in found}
    of_them = [
        row
        for row in rows.values()
        if row["doc_id"] in documents and row["scope"] in ("word", "sentence")
    ]

    assert len(documents) == 2
    assert len(found) == len(of_them) == head["rows"]
    assert probec("evaluate", "questions", SPEC, "--scope", "verse") == 2
    assert "no probe has the scope 'verse'" in probec.err


@pytest.mark.usefixtures("tiny")
def test_choices_hold_the_truth_at_either_place(probec: Probec, project: Path) -> None:
    probec.json("evaluate", "questions", SPEC, "--choices", "--scope", "word")
    _, *found = lines(project / "questions.jsonl")
    rows = published(project)
    places = set()
    for each in found:
        row = rows[str(each["probe_id"])]
        truth, other = str(row["atom_text"]), str(row["incorrect_plausible_answer"])
        choices = [str(choice) for choice in each["choices"]]
        assert sorted(choices) == sorted([truth, other])
        places.add(choices.index(truth))

    assert places == {0, 1}


def test_the_tokenizer_adds_its_special_tokens_before_the_text_only() -> None:
    file = tokens.find("specs/data/bpe-8k.json.gz", ROOT, online=False)
    assert file is not None
    loaded = tokens.load(file)
    from tokenizers.processors import TemplateProcessing

    plain = tuple(loaded.ids("The night was"))
    loaded._backend.post_processor = TemplateProcessing(
        single="<s> $A </s>", special_tokens=[("<s>", 7), ("</s>", 8)]
    )

    assert loaded.prompt("The night was").ids == (7, *plain)
    assert Places(loaded).of("The night was") == (7, *plain)
    assert Places(loaded, ()).of("The night was") == plain
    assert Places(loaded, (3,)).of("The night was") == (3, *plain)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("evaluate",), "an action is needed, and none is given"),
        (("evaluate", "question"), "an action is needed, and 'question' is not one"),
        (("evaluate", "questions", "build/datasets/tiny", "--tokens"), "from a spec only"),
        (("evaluate", "questions", SPEC, "--bos", "1"), "--bos goes with token ids"),
        (("evaluate", "questions", SPEC, "--tokens", "--bos", "x"), "is not a token id"),
        (("evaluate", "questions", "build/datasets/tiny", "--set", "seed=1"), "none is named"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_bad_options_name_the_remedy(
    probec: Probec, arguments: tuple[str, ...], message: str
) -> None:
    assert probec(*arguments) == 2
    assert message in probec.err


def test_the_example_that_collects_states_reads_fields_that_questions_have() -> None:
    text = (ROOT / "examples/collect.py").read_text(encoding="utf-8")
    named = set(re.findall(r"asked\[['\"](\w+)['\"]\]", text))

    assert named
    assert named <= FIELDS
