"""The judge and the answerer of a spec for finished rows, through the response log.

A request whose reply is in the log is not sent, whichever build or evaluation paid for it. Costs
are booked apart from those of the dataset's builds.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial

import msgspec

from compiler.building.build import alone, running
from compiler.evaluation.completions import Completions, Scored
from compiler.evaluation.items import Item, continued
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Purpose, Reply, Request
from compiler.llm.prices import Rate
from compiler.llm.purse import Purse
from compiler.pricing.unit_costs import call_usd, observed_usd
from compiler.probes.scoring import POLICIES
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.records import Probe
from compiler.report.numbers import usd as dollars
from compiler.spec.paid import Role
from compiler.stages.answering import USABLE, Answering
from compiler.stages.asking import Posed
from compiler.stages.context import Context
from compiler.stages.judging import Judging, references
from compiler.templating.prompts import render

COMPLETION = "completion.j2"
# Replies are read from the log in groups.
_GROUP = 512


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request about a probe, and one of its samples."""

    request: Request
    sample: int
    item: Item


@dataclass
class Cost:
    """Requests of an evaluation by state. `dollars`: expected cost of those to be sent."""

    sent: int = 0
    logged: int = 0
    flying: int = 0
    dollars: float = 0.0

    def text(self, role: str) -> str:
        """Format the counts."""
        found = f"{role}: {self.sent:,} requests to send, {self.logged:,} in the log"
        found += f", {self.flying:,} in flight" if self.flying else ""
        return f"{found}, expected cost {dollars(self.dollars)}"


class Bench:
    """The readers of an opened project.

    `dry`: requests are counted and priced, and none is sent. `costs`: by role. `models`: the model
    of each role, as its replies name it.
    """

    def __init__(self, project: Project, context: Context, reporter: Reporter, dry: bool) -> None:
        self.project = project
        self.context = context
        self.dry = dry
        self.costs: dict[Role, Cost] = {}
        self.models: dict[Role, str] = {}
        self.policy = POLICIES[project.spec.scoring.policy]
        self._reporter = reporter
        self._answering = Answering(context)
        self._judging = Judging(context)

    def answers(self, items: Sequence[Item], samples: range) -> list[tuple[str | None, ...]] | None:
        """Let the answerer read the complement and the question of each probe.

        Returns its answers by sample, None for an unusable reply; None if the requests were only
        priced.
        """
        wanted = [
            Wanted(request, sample, item)
            for item in items
            for request in (self._answering.request(posed(item)),)
            for sample in samples
        ]
        replies = self._ask("answerer", wanted)
        if replies is None:
            return None
        texts = [
            text if (text := each.text.strip()) and each.outcome in USABLE else None
            for each in replies
        ]
        size = len(samples)
        return [tuple(texts[at : at + size]) for at in range(0, len(texts), size)]

    def verdicts(
        self, items: Sequence[Item], answers: Sequence[tuple[str | None, ...]]
    ) -> list[tuple[float | None, ...]] | None:
        """Score all answers to each probe with the requests that a build sends.

        Empty for a probe with a missing answer; None if the requests were only priced.
        """
        if not self.policy.judged:
            return [
                tuple(self._local(item, text) for text in texts if text is not None)
                if None not in texts
                else ()
                for item, texts in zip(items, answers, strict=True)
            ]
        questions = []
        wanted = []
        for place, (item, texts) in enumerate(zip(items, answers, strict=True)):
            given = {i: text for i, text in enumerate(texts) if text is not None}
            for each in self._judging.questions(posed(item), given) if None not in texts else ():
                questions.append((place, each))
                wanted.append(Wanted(each.request, each.sample, item))
        replies = self._ask("judge", wanted)
        if replies is None:
            return None
        found: list[dict[int, float | None]] = [{} for _ in items]
        for (place, each), reply in zip(questions, replies, strict=True):
            for rollout, word in self._judging.words(reply, each.rollouts).items():
                number = None if word is None else self.policy.number(word, "")
                found[place][rollout] = number
        return [tuple(each[rollout] for rollout in sorted(each)) for each in found]

    def scores(self, pairs: Sequence[tuple[Item, str]]) -> list[float | None] | None:
        """Score answers by the policy of the spec; equal answers to a probe are judged once.

        Returns None for a verdict that is not a number; None if the requests were only priced.
        """
        if not self.policy.judged:
            return [self._local(item, text) for item, text in pairs]
        wanted = []
        questions = []
        for item, text in pairs:
            (question,) = self._judging.questions(posed(item), {0: text})
            questions.append(question)
            wanted.append(Wanted(question.request, question.sample, item))
        replies = self._ask("judge", wanted)
        if replies is None:
            return None
        words = [self._judging.words(reply, (0,))[0] for reply in replies]
        return [None if word is None else self.policy.number(word, "") for word in words]

    def logprobs(
        self, items: Sequence[Item], address: str, model: str
    ) -> list[tuple[Scored, Scored]] | None:
        """Let a completions server score both choices of each probe behind its text.

        None if the requests were only priced.
        """
        template = self.context.templates.template(COMPLETION)
        wanted = []
        for item in items:
            values = {
                "context": self._answering.shown(posed(item), item.context),
                "question": item.question,
                "target": item.target,
            }
            prompt = render(template, values).rstrip()
            for choice in item.choices or ():
                request = Request(model, prompt, continued(choice), 0, None)
                wanted.append(Wanted(request, 0, item))
        dispatcher, usd = self._completions(address, model)
        replies = self._ask("answerer", wanted, dispatcher, usd)
        if replies is None:
            return None
        found = [msgspec.json.decode(each.text, type=Scored) for each in replies]
        return [*zip(found[::2], found[1::2], strict=True)]

    def seen(self, item: Item) -> int:
        """Count the characters of a complement that the answerer sees."""
        return self._answering.seen(posed(item))

    def _local(self, item: Item, text: str) -> float | None:
        scoring = self.project.spec.scoring
        return self.policy.number(text, references(scoring, posed(item))[0])

    def _completions(self, address: str, model: str) -> tuple[Dispatcher, float]:
        """Return the dispatcher of a completions server, and the expected dollars of a call."""
        project = self.project
        price = project.spec.prices.get(model)
        rate = Rate(price.input, price.output) if price is not None else Rate(0.0, 0.0)
        name = project.account or project.spec.name
        expected = rate.usd(project.spec.expect.answerer.input, 0)
        purpose = Purpose(name, "answerer", 0, Completions.name, model, rate, expected)
        concurrency = project.spec.models.answerer.concurrency
        found = Dispatcher(
            Completions(address, concurrency, project.purse, self._reporter.notice),
            project.log,
            project.purse,
            purpose,
            partial(self._reporter.calls, "answerer"),
            project.journal.where,
        )
        return found, expected

    def _ask(
        self,
        role: Role,
        wanted: Sequence[Wanted],
        dispatcher: Dispatcher | None = None,
        each_usd: float = 0.0,
    ) -> list[Reply] | None:
        """Send the requests that the log does not answer, and return the replies to all.

        `dispatcher`: instead of that of the role, with `each_usd` expected for a call.
        """
        each_usd = call_usd(self.project, role) if dispatcher is None else each_usd
        dispatcher = dispatcher or self.context.dispatchers[role]
        cost = self._price(dispatcher, wanted, each_usd)
        self.costs[role] = cost
        if self.dry:
            return None
        if cost.sent and not dispatcher.provider.free:
            self._reporter.notice(cost.text(role))
        for each in wanted:
            samples = range(each.sample, each.sample + 1)
            dispatcher.want(each.request, samples, 0, each.item.place)
        dispatcher.settle()
        found = [*_replies(dispatcher, wanted)]
        self.models[role] = next((each.model for each in found if each.model), "")
        return found

    def _price(self, dispatcher: Dispatcher, wanted: Iterable[Wanted], each_usd: float) -> Cost:
        dispatcher.priced.clear()
        for each in wanted:
            samples = range(each.sample, each.sample + 1)
            dispatcher.price(each.request, samples, each.item.place, each.item.scope)
        found = Cost()
        for priced in dispatcher.priced.values():
            found.sent += priced.calls
            found.logged += priced.cached
            found.flying += priced.in_flight
        found.dollars = found.sent * each_usd
        # A key that was priced would not be queued.
        dispatcher.close()
        return found


@contextmanager
def opened(
    project: Project, reporter: Reporter, max_usd: float | None, *, wait: bool, dry: bool
) -> Iterator[Bench]:
    """Open the readers of a project, with its budget, alone on its paid path."""
    project.account = f"{project.spec.name} evaluation"
    project.purse = Purse(project.ceiling(max_usd), {}, observed_usd(project))
    project.wait = wait
    # The scores of a dataset are those against the first reference.
    leading = project.spec.scoring.leading()
    project.declared = project.spec.model_copy(update={"scoring": leading})
    with alone(project):
        context = project.readers(reporter)
        with running(project, context):
            yield Bench(project, context, reporter, dry)


def posed(item: Item) -> Posed:
    """Return a probe in the form that prompts are rendered from."""
    probe = Probe(
        item.doc_id, item.number, item.scope, item.target, 0, len(item.atom), item.question,
        item.response, item.alternative, None, None, None, None, 0, None, None, None, None, None,
        None, None, None, None, (),
    )  # fmt: skip
    return Posed(probe, item.context, item.atom)


def _replies(dispatcher: Dispatcher, wanted: Sequence[Wanted]) -> Iterator[Reply]:
    keys = [
        dispatcher.keys(each.request, range(each.sample, each.sample + 1))[0] for each in wanted
    ]
    for start in range(0, len(keys), _GROUP):
        group = keys[start : start + _GROUP]
        for key, reply in zip(group, dispatcher.log.get_all(group), strict=True):
            yield reply if reply is not None else dispatcher.reply(key)
