"""Written probes -> blind answers: K rollouts that see only the complement."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.llm.messages import Outcome, Request
from compiler.probes.sampling import view
from compiler.records import AnswerRow, Choice, DocRecord, Probe
from compiler.stages.asking import Asked, hooks, requester, settled
from compiler.stages.context import Context

VERSION = 1


def stage(context: Context) -> Stage:
    """Asks the answerer K times about every written probe."""
    dispatcher = context.dispatchers["answerer"]
    scoring = context.spec.scoring
    request = requests(context)
    samples = range(scoring.rollouts)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for probe, complement in complements(context, inputs):
            yield Asked(request(probe, complement), samples, place(probe), probe.scope)

    def rows(inputs: Inputs) -> Iterator[AnswerRow]:
        for probe, complement in complements(context, inputs):
            replies = settled(dispatcher, request(probe, complement), samples)
            texts = [reply.text.strip() for reply in replies]
            outcomes = [
                "empty" if reply.outcome is Outcome.OK and not text else reply.outcome.value
                for reply, text in zip(replies, texts, strict=True)
            ]
            usable = (Outcome.OK, Outcome.TRUNCATED)
            yield AnswerRow(
                probe.doc_id,
                probe.slot,
                tuple(
                    text if text and reply.outcome in usable else None
                    for reply, text in zip(replies, texts, strict=True)
                ),
                tuple(outcomes),
                replies[0].model,
                min(len(complement), scoring.view.max_chars),
                sum(reply.input_tokens for reply in replies),
                sum(reply.output_tokens for reply in replies),
            )

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("answers", rows(inputs))

    prepare, weigh = hooks(dispatcher, asked)
    return Stage(
        name="answer",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices", "finalize.probes"),
        params={
            "model": context.model_params("answerer"),
            "rollouts": scoring.rollouts,
            "view": scoring.view.model_dump(mode="json"),
            "groups": {name: scope.split for name, scope in context.written().items()},
        },
        templates=context.prompt_templates("answerer"),
        prepare=prepare,
        settle=dispatcher.settle,
        weigh=weigh,
        run=run,
    )


def requests(context: Context) -> Callable[[Probe, str], Request]:
    """The request about a probe with this complement."""
    render = requester(context, "answerer")
    seen = context.spec.scoring.view

    def request(probe: Probe, complement: str) -> Request:
        return render(
            {
                "context": view(complement, probe.target, seen.max_chars, seen.keep),
                "question": probe.question,
                "target": probe.target,
            }
        )

    return request


def place(probe: Probe) -> str:
    """Where a probe is, for messages."""
    return f"document {probe.doc_id} slot {probe.slot}"


def complements(context: Context, inputs: Inputs) -> Iterator[tuple[Probe, str]]:
    """Every written probe with its complement."""
    groups = context.groups()
    choices = {choice.doc_id: choice for choice in inputs.rows("finalize.choices", Choice)}
    probes = inputs.rows("finalize.probes", Probe)
    probe = next(probes, None)
    for record in inputs.rows("sample.records", DocRecord):
        while probe is not None and probe.doc_id == record.doc_id:
            choice = choices[record.doc_id]
            text = next(each.text for each in record.shown if each.idx == choice.sibling)
            split = choice.splits.of(groups[probe.scope])
            yield probe, text[:split] if probe.target == "suffix" else text[split:]
            probe = next(probes, None)
