"""Written probes -> baseline answers: without context, with the atom, from another document."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.probes.sampling import chosen
from compiler.records import ControlRow
from compiler.spec.scoring import Baseline
from compiler.stages.answering import Answering
from compiler.stages.asking import POSED, Asked, Asking, Posed, Replies, posed
from compiler.stages.context import Context
from compiler.stages.readers import Reader, readers

VERSION = 3


def stage(context: Context) -> Stage | None:
    """Bind the stage that samples every declared baseline; None without any."""
    declared = context.baselines()
    if not declared:
        return None
    answering = Answering(context)
    requests = readers(context, answering)

    def cases(inputs: Inputs) -> Iterator[_Case]:
        return _cases(context, requests, inputs)

    def asked(case: _Case) -> Iterator[Asked]:
        yield case.each.asked(case.request, case.samples, case.baseline)

    def row(case: _Case, replies: Replies) -> ControlRow:
        found = answering.answers(replies, case.request, case.samples)
        return ControlRow(*case.each.key, case.baseline, found.texts)

    params: dict[str, Json] = {
        name: each.model_dump(mode="json") for name, each in declared.items()
    }
    return Asking(answering.dispatcher, "answers", cases, asked, row).stage(
        "control",
        VERSION,
        POSED,
        {**answering.params, "baselines": params, "seed": context.spec.seed},
        _templates(context, declared),
    )


class _Case(Struct, frozen=True):
    """The request of one baseline about one probe."""

    each: Posed
    baseline: str
    request: Request
    samples: range


def _cases(context: Context, requests: Mapping[str, Reader], inputs: Inputs) -> Iterator[_Case]:
    alike: dict[tuple[str, str], list[Posed]] = defaultdict(list)
    for each in posed(context, inputs):
        alike[each.probe.scope, each.probe.target].append(each)
    declared = context.baselines()
    for each in (each for kind in alike.values() for each in kind):
        for name, baseline in declared.items():
            if chosen(baseline.share, context.spec.seed, name, *each.key):
                request = requests[name](each, alike[each.probe.scope, each.probe.target])
                if request is not None:
                    yield _Case(each, name, request, range(baseline.rollouts))


def _templates(context: Context, declared: dict[str, Baseline]) -> dict[str, str]:
    names = {context.spec.models.answerer.prompt} if "shuffled_context" in declared else set()
    names |= {prompt for each in declared.values() if (prompt := getattr(each, "prompt", None))}
    return {
        file: digest
        for name in sorted(names)
        for file, digest in context.prompts.prompt_closure(name).items()
    }
