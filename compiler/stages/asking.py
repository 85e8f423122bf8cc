"""Requests and replies of the stages that call an LLM, shared by all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct

from compiler.engine.stage import Inputs, Outputs, Part, Stage, Unsettled
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Reply, Request
from compiler.records import Choice, DocTexts, Probe, RequestRow, UsageRow
from compiler.spec.paid import Role
from compiler.stages.context import Context

# The role that each stage with requests calls, in the order in which they run.
ASKING: dict[str, Role] = {
    "generate": "generator",
    "answer": "answerer",
    "judge": "judge",
    "answer_rest": "answerer",
    "judge_rest": "judge",
    "control": "answerer",
    "audit": "judge",
}
# The inputs that `posed` reads.
POSED = ("sample.records", "finalize.choices", "finalize.probes")

Case = TypeVar("Case")


class Asked(Struct, frozen=True):
    """One request, its samples, and the place and scope in the dataset that it is about."""

    request: Request
    samples: range
    place: str
    scope: str = ""


class Posed(Struct, frozen=True):
    """A written probe with its complement and its atom."""

    probe: Probe
    complement: str
    atom: str

    @property
    def key(self) -> tuple[str, int]:
        """The document and slot, the first two fields of every row about the probe."""
        return self.probe.doc_id, self.probe.slot

    @property
    def place(self) -> str:
        """The document and slot, for messages."""
        return f"document {self.probe.doc_id} slot {self.probe.slot}"

    def asked(self, request: Request, samples: range, what: str = "") -> Asked:
        """Return a request about the probe, with its place.

        `what`: distinguishes the requests of one stage about the same probe.
        """
        return Asked(request, samples, f"{self.place} {what}".rstrip(), self.probe.scope)


def posed(context: Context, inputs: Inputs) -> Iterator[Posed]:
    """Yield every written probe with its texts, in the order of the records."""
    groups = context.groups()
    choices = {choice.doc_id: choice for choice in inputs.rows("finalize.choices", Choice)}
    probes = inputs.rows("finalize.probes", Probe)
    probe = next(probes, None)
    for record in inputs.rows("sample.records", DocTexts):
        while probe is not None and probe.doc_id == record.doc_id:
            choice = choices[record.doc_id]
            text = record.text(choice.sibling)
            split = choice.splits.of(groups[probe.scope])
            complement = text[:split] if probe.target == "suffix" else text[split:]
            yield Posed(probe, complement, text[probe.atom_start : probe.atom_end])
            probe = next(probes, None)


def requester(
    context: Context, role: Role, schema: Json = None, prompt_name: str | None = None
) -> Callable[[Mapping[str, object]], Request]:
    """Return a function that renders a role's prompt into a request.

    Templates compile at first use. `schema`: JSON schema of the reply, sent if the spec declares
    `structured`. `prompt_name`: a prompt variant instead of the role's own.
    """
    use = getattr(context.spec.models, role)
    name = prompt_name or use.prompt
    thinking = use.thinking.budget_tokens if use.thinking else None
    sampling = tuple(use.sampled().items())
    prompt = None

    def request(values: Mapping[str, object]) -> Request:
        nonlocal prompt
        prompt = prompt or context.prompts.prompt(name)
        system, user = prompt.render(values)
        wanted = schema if use.structured else None
        return Request(
            use.model, system, user, use.max_tokens, thinking, wanted, use.cache, sampling
        )

    return request


class Replies:
    """The replies that one step reads from the log, with their keys and usage.

    A round's lock lists the keys.
    """

    def __init__(self, dispatcher: Dispatcher) -> None:
        self._dispatcher = dispatcher
        self._read: set[str] = set()
        self._calls = self._input = self._output = self._written = self._cached = 0

    def to(self, asked: Sequence[tuple[Request, range]]) -> list[Reply]:
        """Return the replies to some samples of each request, in this order.

        Raises:
            Unsettled: a reply is not in the log yet.
        """
        keys = [key for each in asked for key in self._dispatcher.keys(*each)]
        found = self._dispatcher.log.get_all(keys)
        replies = [reply for reply in found if reply is not None]
        if len(replies) < len(found):
            raise Unsettled
        self._read.update(keys)
        self._calls += len(replies)
        for reply in replies:
            self._input += reply.input_tokens
            self._output += reply.output_tokens
            self._written += reply.cache_write_tokens
            self._cached += reply.cache_read_tokens
        return replies

    def read(self) -> Iterator[RequestRow]:
        """Yield the key of every reply that was read, sorted."""
        yield from map(RequestRow, sorted(self._read))

    def used(self) -> UsageRow:
        """Return the summed usage; a reply that was read twice counts twice."""
        return UsageRow(self._calls, self._input, self._output, self._written, self._cached)


class Asking(Generic[Case], Struct, frozen=True):
    """A stage with requests over cases, each of which gives one row of `output`.

    `asked`: the requests of a case, none if its row needs no reply. `row`: its row, from the
    replies to them.
    """

    dispatcher: Dispatcher
    output: str
    cases: Callable[[Inputs], Iterable[Case]]
    asked: Callable[[Case], Iterable[Asked]]
    row: Callable[[Case, Replies], object]

    def stage(
        self,
        name: str,
        version: int,
        needs: tuple[str, ...],
        params: Json,
        templates: Mapping[str, str],
    ) -> Stage:
        """Bind the stage under a name, one step per shard."""
        return Stage(
            name=name,
            version=version,
            depth=2,
            needs=needs,
            params=params,
            templates=templates,
            prepare=self._prepare,
            settle=self.dispatcher.settle,
            weigh=self._weigh,
            run=self._run,
        )

    def _prepare(self, part: Part, inputs: Inputs) -> None:
        for each in self._requests(inputs):
            self.dispatcher.want(each.request, each.samples, part[0], each.place)

    def _weigh(self, part: Part, inputs: Inputs) -> None:
        for each in self._requests(inputs):
            self.dispatcher.price(each.request, each.samples, each.place, each.scope)

    def _requests(self, inputs: Inputs) -> Iterator[Asked]:
        for case in self.cases(inputs):
            yield from self.asked(case)

    def _run(self, part: Part, inputs: Inputs, out: Outputs) -> None:
        """Write the rows, the keys of the replies that they were made from, and their usage."""
        replies = Replies(self.dispatcher)
        out.rows(self.output, (self.row(case, replies) for case in self.cases(inputs)))
        out.rows("requests", replies.read())
        out.rows("usage", [replies.used()])
