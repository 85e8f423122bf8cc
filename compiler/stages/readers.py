"""Requests of the baseline readers, by name of the baseline."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from compiler.llm.messages import Request
from compiler.probes.sampling import Stream
from compiler.spec.scoring import FullInformation, NoContext
from compiler.stages.answering import Answering
from compiler.stages.asking import Posed, requester
from compiler.stages.context import Context

# From a probe, and the probes of its scope and side in the shard, to a request, if there is one.
Reader = Callable[[Posed, Sequence[Posed]], Request | None]


def readers(context: Context, answering: Answering) -> Mapping[str, Reader]:
    """Return a reader for every baseline that the spec declares."""
    found: dict[str, Reader] = {}
    for name, declared in context.baselines().items():
        if isinstance(declared, NoContext):
            found[name] = _without(context, declared, answering)
        elif isinstance(declared, FullInformation):
            found[name] = _informed(context, declared, answering)
        else:
            found[name] = _misled(context.spec.seed, answering)
    return found


def _without(context: Context, declared: NoContext, answering: Answering) -> Reader:
    render = requester(context, "answerer", prompt_name=declared.prompt)

    def request(each: Posed, alike: Sequence[Posed]) -> Request:
        return render(answering.values(each))

    return request


def _informed(context: Context, declared: FullInformation, answering: Answering) -> Reader:
    render = requester(context, "answerer", prompt_name=declared.prompt)

    def request(each: Posed, alike: Sequence[Posed]) -> Request:
        shown = answering.shown(each, each.complement)
        return render({**answering.values(each), "context": shown, "passage": each.atom})

    return request


def _misled(seed: int, answering: Answering) -> Reader:
    """Return a reader of the complement of another document's probe of that scope and side."""

    def request(each: Posed, alike: Sequence[Posed]) -> Request | None:
        start = Stream(seed, "shuffled", *each.key).below(len(alike))
        for donor in (*alike[start:], *alike[:start]):
            if donor.probe.doc_id != each.probe.doc_id:
                return answering.request(each, donor.complement)
        return None

    return request
