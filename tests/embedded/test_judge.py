"""The scale of the embedded judge."""

from __future__ import annotations

import pytest

from compiler.embedded import judge

TRUTH = "Seven merchants carried purple cloth through distant mountain villages."


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (TRUTH, 1.0),
        ("Merchants carried nothing, they say.", 0.5),
        ("Merchants carried nothing through the harbour, over the bridge, before dawn.", 0.5),
        ("I do not know.", 0.0),
        ("Which people walked?", 0.0),
    ],
)
def test_a_score_is_the_root_of_the_share_of_the_truth_that_is_stated(
    answer: str, expected: float
) -> None:
    prompt = (
        f"<question>Which people walked?</question><reference>{TRUTH}</reference>"
        f"<answer>{answer}</answer>"
    )
    assert float(judge.grade(prompt, 0)) == expected


def test_words_of_the_question_do_not_count() -> None:
    prompt = (
        f"<question>Which merchants carried cloth?</question><reference>{TRUTH}</reference>"
        "<answer>Merchants carried cloth.</answer><answer>Seven carried purple.</answer>"
    )
    assert judge.grade(prompt, 0).splitlines() == ["0.00", "0.63"]
