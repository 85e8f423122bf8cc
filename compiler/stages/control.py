"""Written probes -> answers of other readers: without context, with the atom, of another text."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.probes.sampling import chosen
from compiler.records import ControlRow
from compiler.spec.scoring import Baseline
from compiler.stages.answering import Answering
from compiler.stages.asking import Asked, Posed, Replies, hooks, posed, reading
from compiler.stages.context import Context
from compiler.stages.readers import Reader, readers

VERSION = 3


def stage(context: Context) -> Stage | None:
    """Asks the answerer for every baseline; None when the spec declares none."""
    declared = context.baselines()
    if not declared:
        return None
    answering = Answering(context)
    asking = readers(context, answering)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for wanted in _wanted(context, asking, inputs):
            yield wanted.each.asked(wanted.request, wanted.samples, wanted.baseline)

    def rows(inputs: Inputs, replies: Replies) -> Iterator[ControlRow]:
        for wanted in _wanted(context, asking, inputs):
            found = answering.answers(replies, wanted.request, wanted.samples)
            yield ControlRow(
                wanted.each.probe.doc_id,
                wanted.each.probe.slot,
                wanted.baseline,
                found.texts,
            )

    prepare, weigh = hooks(answering.dispatcher, asked)
    params: dict[str, Json] = {
        name: each.model_dump(mode="json") for name, each in declared.items()
    }
    return Stage(
        name="control",
        version=VERSION,
        depth=2,
        needs=("sample.records", "finalize.choices", "finalize.probes"),
        params={**answering.params, "baselines": params, "seed": context.spec.seed},
        templates=_templates(context, declared),
        prepare=prepare,
        settle=answering.dispatcher.settle,
        weigh=weigh,
        run=reading("answers", answering.dispatcher, rows),
    )


@dataclass(frozen=True, slots=True)
class _Wanted:
    """One baseline's question about one probe."""

    each: Posed
    baseline: str
    request: Request
    samples: range


def _wanted(context: Context, asking: Mapping[str, Reader], inputs: Inputs) -> Iterator[_Wanted]:
    alike: dict[tuple[str, str], list[Posed]] = defaultdict(list)
    for each in posed(context, inputs):
        alike[each.probe.scope, each.probe.target].append(each)
    declared = context.baselines()
    for each in (each for kind in alike.values() for each in kind):
        place = (each.probe.doc_id, each.probe.slot)
        for name, baseline in declared.items():
            if chosen(baseline.share, context.spec.seed, name, *place):
                request = asking[name](each, alike[each.probe.scope, each.probe.target])
                if request is not None:
                    yield _Wanted(each, name, request, range(baseline.rollouts))


def _templates(context: Context, declared: dict[str, Baseline]) -> dict[str, str]:
    names = {context.spec.models.answerer.prompt} if "shuffled_context" in declared else set()
    names |= {prompt for each in declared.values() if (prompt := getattr(each, "prompt", None))}
    return {
        file: digest
        for name in sorted(names)
        for file, digest in context.prompts.prompt_closure(name).items()
    }
