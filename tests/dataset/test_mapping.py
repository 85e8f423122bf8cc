"""Proposals for the mapping of columns."""

from __future__ import annotations

import pytest

from compiler.dataset import mapping
from compiler.dataset.mapping import kinds, likeness, proposal

LONG = "It was a bright cold day in April, and the clocks were striking thirteen. "


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        (
            {"uid": "a", "page": "x", "prompt": LONG, "completions": [LONG]},
            {"doc_id": "uid", "prefix": "prompt", "continuation": "completions",
             "doc_source": "page"},
        ),
        (
            {"example_id": 7, "sampleIdx": 0, "input_text": LONG, "model_output": LONG},
            {"doc_id": "example_id", "prefix": "input_text", "continuation": "model_output",
             "doc_idx": "sampleIdx"},
        ),
        (
            {"id": "a", "words": LONG, "drawn": [LONG, LONG]},
            {"doc_id": "id", "prefix": "words", "continuation": "drawn"},
        ),
        ({"id": "a", "text": LONG}, {"doc_id": "id"}),
        ({"id": "a", "prompt": [{"role": "user"}], "output": LONG},
         {"doc_id": "id", "continuation": "output"}),
    ],
)  # fmt: skip
def test_columns_are_proposed_by_name_and_type(
    row: dict[str, object], expected: dict[str, str]
) -> None:
    assert proposal([row]) == expected


def test_a_column_with_one_value_for_several_prefixes_is_no_id() -> None:
    rows = [
        {"id": "corpus", "key": number, "prefix": f"{LONG}{number}", "continuation": LONG}
        for number in range(3)
    ]

    assert proposal(rows)["doc_id"] == "key"


def test_an_index_that_repeats_in_a_document_is_not_proposed() -> None:
    row = {"doc_id": 1, "idx": 0, "prefix": LONG, "continuation": LONG}

    assert proposal([row, {**row, "idx": 1}])["doc_idx"] == "idx"
    assert "doc_idx" not in proposal([row, row])


def test_given_columns_are_kept_and_used_once() -> None:
    row = {"uid": "a", "id": "b", "prompt": LONG, "response": LONG}

    assert proposal([row], given={"doc_id": "id", "doc_source": None})["doc_id"] == "id"
    assert "continuation" not in proposal([row], given={"prefix": "response"})


def test_likeness_goes_by_names_alone() -> None:
    names = ["uid", "prompt", "weight"]

    assert likeness(names, ["doc_id", "continuation"]) == {"doc_id": "uid"}


def test_kinds_of_values() -> None:
    row: dict[str, object] = {
        "a": True, "b": 1, "c": 0.5, "d": [None, "x"], "e": [1], "f": {}, "g": b"x", "h": None,
    }  # fmt: skip
    found = kinds([row, {"b": 2.0, "h": "x"}])

    expected: dict[str, mapping.Kind] = {
        "a": "other", "b": "number", "c": "number", "d": "texts", "e": "other", "f": "other",
        "g": "text", "h": "text",
    }  # fmt: skip
    assert found == expected
