"""The statement that scores of the embedded model are no data, in every output that shows them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from compiler.embedded import MACHINERY, is_embedded
from compiler.report.sections import sections
from tests.conftest import Probec, installed
from tests.report.test_tree import STATS

SPEC = "specs/tiny.yaml"


def stated(text: str) -> int:
    """Count the statement in a text, in which it may be wrapped."""
    return " ".join(text.split()).count(MACHINERY)


@pytest.mark.usefixtures("tiny")
def test_every_output_of_a_dataset_states_once_that_its_scores_are_no_data(
    probec: Probec, project: Path
) -> None:
    banded = ("build", SPEC, "--set", "scoring.bands.easy=0.7")
    for command in (banded, ("stats", SPEC), ("card", SPEC)):
        assert probec(*command) == 0
        assert stated(probec.out) == 1, command
    rows = installed(project) / "data"
    assert probec("stats", str(next(rows.glob("*.parquet")))) == 0
    assert stated(probec.out) == 1
    assert probec("report", SPEC, "--out", str(project / "page.html")) == 0
    assert stated((project / "page.html").read_text(encoding="utf-8")) == 1
    assert probec("calibrate", SPEC, "--levels=0", "--docs", "1") == 0
    assert stated(probec.out) == 1


@pytest.mark.usefixtures("tiny")
def test_an_evaluation_states_it_once(probec: Probec, project: Path) -> None:
    text = str(project / "text.jsonl")
    options = (SPEC, "--scope", "sentence", "--docs", "2")
    assert probec("evaluate", "run", SPEC, "text", *options[1:], "--out", text) == 0
    out = project / "evaluation"
    assert probec("evaluate", "score", SPEC, f"text={text}", *options[1:], "--out", str(out)) == 0
    assert stated(probec.out) == 1
    assert stated((out / "report.html").read_text(encoding="utf-8")) == 1


@pytest.mark.usefixtures("tiny")
def test_scores_of_another_model_are_not_called_machinery(probec: Probec) -> None:
    found: Any = probec.json("stats", SPEC)
    texts = [table.meaning for each in sections(STATS) for table in each.tables]

    assert found["embedded"] is True
    assert STATS.embedded is False
    assert not any(map(stated, texts))
    assert is_embedded("extractive-2")
    assert not is_embedded("claude-haiku-4-5-20251001")
