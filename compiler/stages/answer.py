"""Written probes -> blind answers: K rollouts that see only the complement."""

from __future__ import annotations

from collections.abc import Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.records import AnswerRow
from compiler.stages.answering import Answering
from compiler.stages.asking import Asked, Posed, Replies, hooks, posed, reading
from compiler.stages.context import Context

VERSION = 3


def stage(context: Context) -> Stage:
    """Asks the answerer about every written probe: all rollouts, or the first ones."""
    answering = Answering(context)
    stop = context.spec.scoring.stop
    samples = range(stop.after if stop is not None else context.spec.scoring.rollouts)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for each in posed(context, inputs):
            yield each.asked(answering.request(each), samples)

    def row(each: Posed, replies: Replies) -> AnswerRow:
        found = answering.answers(replies, answering.request(each), samples)
        return AnswerRow(
            each.probe.doc_id,
            each.probe.slot,
            found.texts,
            found.model,
            answering.seen(each),
        )

    def rows(inputs: Inputs, replies: Replies) -> Iterator[AnswerRow]:
        return (row(each, replies) for each in posed(context, inputs))

    prepare, weigh = hooks(answering.dispatcher, asked)
    return Stage(
        name="answer",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices", "finalize.probes"),
        params={**answering.params, "rollouts": len(samples)},
        templates=context.prompt_templates("answerer"),
        prepare=prepare,
        settle=answering.dispatcher.settle,
        weigh=weigh,
        run=reading("answers", answering.dispatcher, rows),
    )
