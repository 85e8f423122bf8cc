"""Answers and verdicts -> scores, or a status that says why there is none."""

from __future__ import annotations

from functools import partial

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.keys import Json
from compiler.probes.scoring import POLICIES
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.context import Context

VERSION = 1


def stage(context: Context) -> Stage:
    """Applies the scoring policy; asks nobody."""
    scoring = context.spec.scoring
    reducers = frozenset(scoring.reduce)
    params: Json = {"policy": scoring.policy, "reduce": [*sorted(reducers)]}
    return Stage(
        name="score",
        version=VERSION,
        depth=2,
        needs=("answer.answers", "judge.verdicts"),
        params=params,
        run=partial(_run, scoring.policy, reducers),
    )


def _run(policy: str, reducers: frozenset[str], part: Part, inputs: Inputs, out: Outputs) -> None:
    apply = POLICIES[policy]
    answers = inputs.rows("answer.answers", AnswerRow)
    verdicts = inputs.rows("judge.verdicts", VerdictRow)
    out.rows(
        "scores",
        (apply(each, verdict, reducers) for each, verdict in zip(answers, verdicts, strict=True)),
    )
