"""Answers -> a verdict on each, in the judge's own words."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.llm.messages import Outcome, Reply, Request
from compiler.records import AnswerRow, Choice, DocRecord, Probe, VerdictRow
from compiler.stages.answer import place
from compiler.stages.asking import Asked, hooks, requester, settled
from compiler.stages.context import Context

VERSION = 1


def stage(context: Context) -> Stage:
    """Asks the judge about every rollout; a probe with a failed rollout is not judged."""
    dispatcher = context.dispatchers["judge"]
    request = requests(context)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for probe, truth, answers in judged(inputs):
            for rollout, answer in enumerate(answers.answers):
                if answer is not None and None not in answers.answers:
                    only = range(rollout, rollout + 1)
                    yield Asked(request(probe, truth, answer), only, place(probe), probe.scope)

    def rows(inputs: Inputs) -> Iterator[VerdictRow]:
        for probe, truth, answers in judged(inputs):
            replies: list[Reply | None] = []
            for rollout, answer in enumerate(answers.answers):
                if answer is None or None in answers.answers:
                    replies.append(None)
                    continue
                only = range(rollout, rollout + 1)
                replies += settled(dispatcher, request(probe, truth, answer), only)
            yield _row(probe, replies, context.spec.models.judge.model)

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("verdicts", rows(inputs))

    prepare, weigh = hooks(dispatcher, asked)
    return Stage(
        name="judge",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices", "finalize.probes", "answer.answers"),
        params={
            "model": context.model_params("judge"),
            "compare": context.spec.scoring.compare,
        },
        templates=context.prompt_templates("judge"),
        prepare=prepare,
        settle=dispatcher.settle,
        weigh=weigh,
        run=run,
    )


def _row(probe: Probe, replies: list[Reply | None], model: str) -> VerdictRow:
    known = [reply for reply in replies if reply is not None]
    return VerdictRow(
        probe.doc_id,
        probe.slot,
        tuple(
            reply.text if reply is not None and reply.outcome is Outcome.OK else None
            for reply in replies
        ),
        tuple(reply.outcome.value if reply is not None else "not_asked" for reply in replies),
        known[0].model if known else model,
        sum(reply.input_tokens for reply in known),
        sum(reply.output_tokens for reply in known),
    )


def requests(context: Context) -> Callable[[Probe, str, str], Request]:
    """The request about an answer to a probe whose atom is this text."""
    render = requester(context, "judge")
    compare = context.spec.scoring.compare

    def request(probe: Probe, atom: str, answer: str) -> Request:
        reference = atom if compare == "atom_text" else probe.response
        return render({"question": probe.question, "reference": reference, "answer": answer})

    return request


def judged(inputs: Inputs) -> Iterator[tuple[Probe, str, AnswerRow]]:
    """Every written probe with its atom and its answers."""
    choices = {choice.doc_id: choice for choice in inputs.rows("finalize.choices", Choice)}
    pairs = zip(
        inputs.rows("finalize.probes", Probe),
        inputs.rows("answer.answers", AnswerRow),
        strict=True,
    )
    pair = next(pairs, None)
    for record in inputs.rows("sample.records", DocRecord):
        while pair is not None and pair[0].doc_id == record.doc_id:
            probe, answers = pair
            idx = choices[record.doc_id].sibling
            text = next(each.text for each in record.shown if each.idx == idx)
            yield probe, text[probe.atom_start : probe.atom_end], answers
            pair = next(pairs, None)
