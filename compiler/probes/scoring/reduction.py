"""Reduction of the numbers of all rollouts to a probe's scores, or to a failure status."""

from __future__ import annotations

import math

from compiler.probes.scoring.policy import Policy
from compiler.records import AnswerRow, ScoreRow, VerdictRow

Numbers = tuple[float | None, ...]


def reduced(
    answers: AnswerRow,
    numbers: Numbers,
    seconds: Numbers | None,
    rollouts: int,
    reducers: frozenset[str],
) -> ScoreRow:
    """Return the scores of one probe: exactly `rollouts` of them, or a failure status.

    A probe with fewer answers than `rollouts`, all of them scored, was stopped early ("decided").
    """
    place = (answers.doc_id, answers.slot)
    if None in answers.answers:
        return ScoreRow(*place, "answer_failed", None, None, None, None, None)
    scores = tuple(number for number in numbers if number is not None)
    others = None if seconds is None else tuple(each for each in seconds if each is not None)
    if len(scores) < len(numbers) or (seconds is not None and len(others or ()) < len(seconds)):
        return ScoreRow(*place, "judge_failed", None, None, None, None, None)
    if len(scores) < rollouts:
        return ScoreRow(*place, "decided", scores, others, None, None, None)
    return ScoreRow(
        *place,
        "scored",
        scores,
        others,
        math.fsum(scores) / len(scores) if "mean" in reducers else None,
        max(scores) if "max" in reducers else None,
        min(scores) if "min" in reducers else None,
    )


def decided(verdicts: VerdictRow, policy: Policy, easy: float) -> bool | None:
    """Return whether these verdicts already make a probe EASY; None if one is not a number."""
    numbers = [policy.number(each, "") if each is not None else None for each in verdicts.verdicts]
    known = [number for number in numbers if number is not None]
    return max(known) >= easy if len(known) == len(numbers) else None
