"""Answers -> a verdict on each, in the judge's own words."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.asking import Asked, Posed, Replies, hooks, reading
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, judged, whole

VERSION = 3


def stage(context: Context) -> Stage | None:
    """Asks the judge about every rollout; a probe with a failed rollout is not judged.

    None when the scoring policy needs no judge.
    """
    if not context.judged():
        return None
    judging = Judging(context)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for each, answers in judged(context, inputs, "answer.answers"):
            yield from judging.asked(each, whole(answers))

    def rows(inputs: Inputs, replies: Replies) -> Iterator[VerdictRow]:
        for each, answers in judged(context, inputs, "answer.answers"):
            yield _row(judging, replies, each, answers)

    prepare, weigh = hooks(judging.dispatcher, asked)
    return Stage(
        name="judge",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices", "finalize.probes", "answer.answers"),
        params=judge_params(context),
        templates=context.prompt_templates("judge"),
        prepare=prepare,
        settle=judging.dispatcher.settle,
        weigh=weigh,
        run=reading("verdicts", judging.dispatcher, rows),
    )


def _row(judging: Judging, replies: Replies, each: Posed, answers: AnswerRow) -> VerdictRow:
    found = judging.verdicts(replies, each, whole(answers))
    rollouts = range(len(answers.answers))
    return VerdictRow(
        each.probe.doc_id,
        each.probe.slot,
        tuple(found.first.get(i) for i in rollouts),
        tuple(found.second.get(i) for i in rollouts) if judging.both else None,
        found.model or judging.model,
    )
