"""The first verdicts -> the remaining rollouts of every probe that is not decided by them."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.probes.scoring.reduction import decided
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.answering import Answering
from compiler.stages.asking import Asked, Posed, Replies, hooks, posed, reading
from compiler.stages.context import Context

VERSION = 3


def stage(context: Context) -> Stage | None:
    """Asks on where the best of the first rollouts is not EASY; None without early stopping.

    A probe whose first rollouts failed is not asked on either: it cannot become scored.
    """
    scoring = context.spec.scoring
    if scoring.stop is None or not context.judged():
        return None
    answering = Answering(context)
    easy, samples = scoring.bands.easy, range(scoring.stop.after, scoring.rollouts)

    def undecided(inputs: Inputs) -> Iterator[tuple[Posed, AnswerRow, bool]]:
        rows = zip(
            posed(context, inputs),
            inputs.rows("answer.answers", AnswerRow),
            inputs.rows("judge.verdicts", VerdictRow),
            strict=True,
        )
        for each, answers, verdicts in rows:
            yield each, answers, decided(verdicts, easy) is False

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for each, _, goes_on in undecided(inputs):
            if goes_on:
                yield each.asked(answering.request(each), samples)

    def rows(inputs: Inputs, replies: Replies) -> Iterator[AnswerRow]:
        for each, first, goes_on in undecided(inputs):
            if not goes_on:
                yield first
                continue
            found = answering.answers(replies, answering.request(each), samples)
            yield AnswerRow(
                first.doc_id,
                first.slot,
                (*first.answers, *found.texts),
                first.model,
                first.context_chars_seen,
            )

    prepare, weigh = hooks(answering.dispatcher, asked)
    return Stage(
        name="answer_rest",
        version=VERSION,
        depth=2,
        needs=(
            *("sample.records", "finalize.choices", "finalize.probes"),
            *("answer.answers", "judge.verdicts"),
        ),
        params={
            **answering.params,
            "after": scoring.stop.after,
            "rollouts": scoring.rollouts,
            "easy": easy,
        },
        templates=context.prompt_templates("answerer"),
        prepare=prepare,
        settle=answering.dispatcher.settle,
        weigh=weigh,
        run=reading("answers", answering.dispatcher, rows),
    )
