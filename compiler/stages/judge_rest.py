"""The rest of the answers -> their verdicts, behind those of the first rollouts."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.asking import Asked, Posed, Replies, hooks, reading
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, judged, whole

VERSION = 2


def stage(context: Context) -> Stage | None:
    """Asks the judge about the rollouts that early stopping let through; None without it."""
    stop = context.spec.scoring.stop
    if stop is None or not context.judged():
        return None
    judging, after = Judging(context), stop.after

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for each, answers in judged(context, inputs, "answer_rest.answers"):
            yield from judging.asked(each, _rest(answers, after))

    def rows(inputs: Inputs, replies: Replies) -> Iterator[VerdictRow]:
        pairs = judged(context, inputs, "answer_rest.answers")
        firsts = inputs.rows("judge.verdicts", VerdictRow)
        for (each, answers), first in zip(pairs, firsts, strict=True):
            yield _joined(judging, replies, each, answers, first, after)

    prepare, weigh = hooks(judging.dispatcher, asked)
    return Stage(
        name="judge_rest",
        version=VERSION,
        depth=2,
        needs=(
            *("sample.records", "finalize.choices", "finalize.probes"),
            *("judge.verdicts", "answer_rest.answers"),
        ),
        params={**judge_params(context), "after": after},
        templates=context.prompt_templates("judge"),
        prepare=prepare,
        settle=judging.dispatcher.settle,
        weigh=weigh,
        run=reading("verdicts", judging.dispatcher, rows),
    )


def _rest(answers: AnswerRow, after: int) -> dict[int, str]:
    return {i: text for i, text in whole(answers).items() if i >= after}


def _joined(
    judging: Judging,
    replies: Replies,
    each: Posed,
    answers: AnswerRow,
    first: VerdictRow,
    after: int,
) -> VerdictRow:
    found = judging.verdicts(replies, each, _rest(answers, after))
    rest = range(after, len(answers.answers))
    return VerdictRow(
        first.doc_id,
        first.slot,
        (*first.verdicts, *(found.first.get(i) for i in rest)),
        (*first.seconds, *(found.second.get(i) for i in rest))
        if first.seconds is not None
        else None,
        (*first.outcomes, *(found.outcomes.get(i, "not_asked") for i in rest)),
        first.model,
        first.calls + found.calls,
        first.input_tokens + found.input_tokens,
        first.output_tokens + found.output_tokens,
    )
