"""`probec evaluate label`: a sheet for people, and the judge's agreement with it."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from tests.conftest import Probec
from tests.evaluation.test_questions import published

SPEC = "specs/tiny.yaml"


def sheet(path: str = "labels.csv") -> list[dict[str, str]]:
    with open(path, encoding="utf-8", newline="") as lines:
        return [*csv.DictReader(lines)]


def fill(rows: list[dict[str, str]], path: str = "labels.csv") -> None:
    with open(path, "w", encoding="utf-8", newline="") as out:
        writer = csv.DictWriter(out, rows[0])
        writer.writeheader()
        writer.writerows(rows)


@pytest.mark.usefixtures("tiny")
def test_a_sheet_hides_scores_and_names_and_takes_every_document_first(
    probec: Probec, project: Path
) -> None:
    rows = published(project)
    written = {key: row for key, row in rows.items() if row["score_status"] == "scored"}
    answer = '=HYPERLINK(1), a "method\'s"\nanswer'
    Path("a.jsonl").write_text(
        "".join(json.dumps({"probe_id": key, "answer": answer}) + "\n" for key in written)
    )
    documents = {row["doc_id"] for row in written.values()}
    probec.json("evaluate", "label", SPEC, "method-x=a.jsonl", "--sample", str(len(documents)),
                "--out", "labels.csv")  # fmt: skip
    found = sheet()
    of = {str(row["verbalizer_prompt"]): row["doc_id"] for row in written.values()}

    assert len({of[each["question"]] for each in found}) == len(documents)
    assert all(each["score"] == "" for each in found)
    assert "method-x" not in Path("labels.csv").read_text(encoding="utf-8")
    probec.json("evaluate", "label", SPEC, "method-x=a.jsonl", "--sample", "9999",
                "--out", "labels.csv")  # fmt: skip
    blind = {
        (row["verbalizer_prompt"], str(text).strip())
        for row in written.values()
        for text in row["bb_answer_rollout_answers"]
    }
    every = {(each["question"], each["answer"]) for each in sheet()}
    # A spreadsheet must not take an answer for a formula.
    given = {(row["verbalizer_prompt"], f"'{answer}") for row in written.values()}
    assert every == {(q, f"'{a}" if a[0] in "=+-@" else a) for q, a in blind} | given


@pytest.mark.usefixtures("tiny")
def test_people_who_repeat_the_judge_agree_with_it_and_others_less(
    probec: Probec, project: Path
) -> None:
    known = {
        (row["verbalizer_prompt"], str(text).strip()): score
        for row in published(project).values()
        for text, score in zip(
            row["bb_answer_rollout_answers"] or (), row["bb_answer_rollout_scores"] or (),
            strict=True,
        )
    }  # fmt: skip
    probec.json("evaluate", "label", SPEC, "--sample", "40", "--out", "labels.csv")
    rows = sheet()
    fill(
        [{**row, "score": str(known[row["question"], row["answer"]])} for row in rows[1:]]
        + rows[:1]
    )
    same = probec.json("evaluate", "label", SPEC, "--labels", "labels.csv")
    fill([{**row, "score": str(n % 2)} for n, row in enumerate(rows)])
    other = probec.json("evaluate", "label", SPEC, "--labels", "labels.csv")

    assert (same["labelled"], same["unlabelled"], same["bias"]) == (len(rows) - 1, 1, 0)
    assert same["measures"]["kappa"]["value"] == 1
    assert same["measures"]["mean_delta"]["value"] == 0
    # Six documents are too few for an interval.
    assert same["measures"]["kappa"]["low"] is None
    assert other["measures"]["kappa"]["value"] < 0.5
    assert probec("evaluate", "label", SPEC, "--labels", "labels.csv") == 0
    assert "weighted kappa" in probec.out


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"score": "1.2"}, "labels.csv:2: score '1.2' is not one"),
        ({"score": "good"}, "labels.csv:2: score 'good' is not one"),
        ({"score": "1", "id": "nope"}, "labels.csv:2: unknown id 'nope'"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_a_wrong_label_is_one_error_with_its_line(
    probec: Probec, change: dict[str, str], message: str
) -> None:
    probec.json("evaluate", "label", SPEC, "--sample", "5", "--out", "labels.csv")
    rows = sheet()
    fill([{**rows[0], **change}, *rows[1:]])

    assert probec("evaluate", "label", SPEC, "--labels", "labels.csv") == 2
    assert message in probec.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "either --out FILE or --labels FILE"),
        (("--labels", "none.csv"), "no such file"),
        (("--labels", "a.csv"), "no columns id and score"),
    ],
)
@pytest.mark.usefixtures("tiny")
def test_bad_usage_names_the_remedy(
    probec: Probec, arguments: tuple[str, ...], message: str
) -> None:
    Path("a.csv").write_text("x,y\n1,2\n")

    assert probec("evaluate", "label", SPEC, *arguments) == 2
    assert message in probec.err
