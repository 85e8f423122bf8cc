"""The judged policy: a judge's number for every rollout, reduced over exactly K of them."""

from __future__ import annotations

import math

import regex

from compiler.records import AnswerRow, ScoreRow, VerdictRow

_NUMBER = regex.compile(r"(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)\.?")


def parse(verdict: str) -> float | None:
    """The one number in [0, 1] that a verdict consists of; None for anything else.

    Out-of-range numbers, percentages, fractions ("0.7/1"), decimal commas and words are failures
    by policy: clipping or guessing would invent a score.
    """
    text = verdict.strip()
    if _NUMBER.fullmatch(text) is None:
        return None
    return float(text.removesuffix(".") if text.count(".") > 1 or text.endswith(".") else text)


def score(answers: AnswerRow, verdicts: VerdictRow, reducers: frozenset[str]) -> ScoreRow:
    """The scores of one probe; unscored with a status if any of the K rollouts failed."""
    place = (answers.doc_id, answers.slot)
    if any(answer is None for answer in answers.answers):
        return ScoreRow(*place, "answer_failed", None, None, None, None)
    numbers = [parse(verdict) if verdict is not None else None for verdict in verdicts.verdicts]
    if any(number is None for number in numbers):
        return ScoreRow(*place, "judge_failed", None, None, None, None)
    scores = tuple(number for number in numbers if number is not None)
    return ScoreRow(
        *place,
        "scored",
        scores,
        math.fsum(scores) / len(scores) if "mean" in reducers else None,
        max(scores) if "max" in reducers else None,
        min(scores) if "min" in reducers else None,
    )
