"""The rest of the answers -> their verdicts, behind those of the first rollouts."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.asking import Asked, Posed, Replies, hooks, reading
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, judged, whole

VERSION = 4


def stage(context: Context) -> Stage | None:
    """Asks the judge about the rollouts that early stopping let through; None without it."""
    stop = context.spec.scoring.stop
    if stop is None or not context.judged():
        return None
    judging, after = Judging(context), stop.after

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for each, answers in judged(context, inputs, "answer_rest.answers"):
            yield from judging.asked(each, _rest(judging, answers, after))

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


def _rest(judging: Judging, answers: AnswerRow, after: int) -> dict[int, str]:
    """The later answers that no earlier verdict settles."""
    texts = whole(answers)
    settled = judging.repeated(texts, after)
    return {i: text for i, text in texts.items() if i >= after and i not in settled}


def _joined(
    judging: Judging,
    replies: Replies,
    each: Posed,
    answers: AnswerRow,
    first: VerdictRow,
    after: int,
) -> VerdictRow:
    found = judging.verdicts(replies, each, _rest(judging, answers, after))
    verdicts = [*first.verdicts]
    seconds = [*first.seconds] if first.seconds is not None else None
    earlier = judging.repeated(whole(answers), after)
    for i in range(after, len(answers.answers)):
        same = earlier.get(i)
        verdicts.append(found.first.get(i) if same is None else verdicts[same])
        if seconds is not None:
            seconds.append(found.second.get(i) if same is None else seconds[same])
    return VerdictRow(
        first.doc_id,
        first.slot,
        tuple(verdicts),
        tuple(seconds) if seconds is not None else None,
        first.model,
    )
