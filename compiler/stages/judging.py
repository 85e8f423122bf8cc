"""Requests to the judge and verdicts from its replies, shared by `judge` and `audit`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from msgspec import Struct

from compiler.engine.stage import Inputs
from compiler.engine.store import plain
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Outcome, Reply, Request
from compiler.patterns import pattern
from compiler.records import AnswerRow, Probe
from compiler.spec.scoring import Scoring
from compiler.stages.asking import Asked, Posed, Replies, posed, requester
from compiler.stages.context import Context

_BETWEEN = pattern(r"[\s,;]+")
# Samples per repetition of a judgement: the most rollouts that a spec may declare.
_SAMPLES = 64


class Question(Struct, frozen=True):
    """One request to the judge, the rollouts that it is about, and whether it is `second`.

    `second`: compares with the second reference.
    """

    request: Request
    sample: int
    rollouts: tuple[int, ...]
    second: bool

    @property
    def samples(self) -> range:
        """The range of its only sample."""
        return range(self.sample, self.sample + 1)


class Verdicts(Struct):
    """The verdicts on the answers to one probe, by rollout, against each reference."""

    first: dict[int, str | None]
    second: dict[int, str | None]
    model: str | None = None


class Judging:
    """The judge of a spec: answers to requests, and replies to verdicts."""

    def __init__(self, context: Context, scoring: Scoring | None = None) -> None:
        """Bind the judge. `scoring`: instead of the spec's own."""
        self.dispatcher: Dispatcher = context.dispatchers["judge"]
        self.model = context.spec.models.judge.model
        scoring = scoring or context.spec.scoring
        self._scoring = scoring
        self._together = scoring.judging == "together"
        self._once = scoring.identical == "once"
        self._render = requester(context, "judge")

    def both(self, each: Posed) -> bool:
        """Test if answers to a probe are compared with two references."""
        return len(references(self._scoring, each)) > 1

    def questions(
        self, each: Posed, answers: Mapping[int, str], repeat: int = 0
    ) -> Iterator[Question]:
        """Yield the requests to the judge about these answers, which are given by rollout.

        `repeat`: the number of the repetition; each repetition has samples of its own.
        """
        for number, reference in enumerate(references(self._scoring, each)):
            for rollouts in self._grouped(answers):
                request = self._request(each.probe, reference, [answers[i] for i in rollouts])
                yield Question(request, rollouts[0] + _SAMPLES * repeat, rollouts, number == 1)

    def asked(
        self, each: Posed, answers: Mapping[int, str], repeat: int = 0, what: str = ""
    ) -> Iterator[Asked]:
        """Yield the same requests with their places. `what`: kind of answers, for messages."""
        for question in self.questions(each, answers, repeat):
            against = "against target_response" if question.second else ""
            yield each.asked(question.request, question.samples, f"{what} {against}".strip())

    def verdicts(
        self, replies: Replies, each: Posed, answers: Mapping[int, str], repeat: int = 0
    ) -> Verdicts:
        """Read the judge's verdict on each answer.

        Raises:
            Unsettled: a reply is not in the log yet.
        """
        found = Verdicts({}, {})
        questions = [*self.questions(each, answers, repeat)]
        received = replies.to([(each.request, each.samples) for each in questions])
        for question, reply in zip(questions, received, strict=True):
            found.model = found.model or reply.model
            words = self.words(reply, question.rollouts)
            (found.second if question.second else found.first).update(words)
        return found

    def repeated(self, answers: Mapping[int, str], after: int) -> dict[int, int]:
        """Map each rollout from `after` on that equals an earlier one to that one."""
        if self._together or not self._once:
            return {}
        first = {answers[i]: i for i in sorted(answers, reverse=True) if i < after}
        return {i: first[t] for i, t in answers.items() if i >= after and t in first}

    def _grouped(self, answers: Mapping[int, str]) -> list[tuple[int, ...]]:
        """Group the rollouts that share a request."""
        if not answers:
            return []
        if self._together:
            return [tuple(sorted(answers))]
        if not self._once:
            return [(rollout,) for rollout in sorted(answers)]
        groups: dict[str, list[int]] = {}
        for rollout in sorted(answers):
            groups.setdefault(answers[rollout], []).append(rollout)
        return [tuple(group) for group in groups.values()]

    def _request(self, probe: Probe, reference: str, answers: Sequence[str]) -> Request:
        values: dict[str, object] = {"question": probe.question, "reference": reference}
        values |= {"answers": list(answers)} if self._together else {"answer": answers[0]}
        return self._render(values)

    def words(self, reply: Reply, rollouts: tuple[int, ...]) -> dict[int, str | None]:
        """Return the verdict on each of the rollouts that a reply is about; None without one."""
        if reply.outcome is not Outcome.OK:
            return dict.fromkeys(rollouts)
        if not self._together:
            return dict.fromkeys(rollouts, reply.text)
        # One number per answer, in order; with any other count no number can be assigned.
        words = [word for word in _BETWEEN.split(reply.text.strip()) if word]
        if len(words) != len(rollouts):
            return dict.fromkeys(rollouts)
        return dict(zip(rollouts, words, strict=True))


def judge_params(context: Context, scoring: Scoring | None = None) -> dict[str, Json]:
    """Return the parameters that determine the judge's requests and the reading of its replies.

    `scoring`: instead of the spec's own.
    """
    scoring = scoring or context.spec.scoring
    return {
        "model": context.model_params("judge"),
        "compare": plain(context.spec.compared(scoring)),
        "judging": scoring.judging,
        "identical": scoring.identical,
    }


def references(scoring: Scoring, each: Posed) -> list[str]:
    """Return the texts that answers to a probe are compared with, the leading one first."""
    compare = scoring.reference(each.probe.scope)
    if compare == "target_response":
        return [each.probe.response]
    return [each.atom, each.probe.response] if compare == "both" else [each.atom]


def judged(context: Context, inputs: Inputs, need: str) -> Iterator[tuple[Posed, AnswerRow]]:
    """Yield every written probe with its answers from the output `need`."""
    yield from zip(posed(context, inputs), inputs.rows(need, AnswerRow), strict=True)


def whole(answers: AnswerRow) -> dict[int, str]:
    """Return the answers by rollout; empty if one is missing, because then none is judged."""
    texts = answers.answers
    return {i: t for i, t in enumerate(texts) if t is not None} if None not in texts else {}
