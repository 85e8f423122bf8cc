"""Shared parts of the judging stages: judge requests about answers, and verdicts from replies."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import regex

from compiler.engine.stage import Inputs
from compiler.keys import Json
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Outcome, Reply, Request
from compiler.records import AnswerRow, Probe
from compiler.stages.asking import Asked, Posed, Replies, posed, requester
from compiler.stages.context import Context

_BETWEEN = regex.compile(r"[\s,;]+")
# Samples per repetition of a judgement: more than a probe has rollouts.
_SAMPLES = 64


@dataclass(frozen=True, slots=True)
class Question:
    """One judge call: the answers it is about, by rollout, and which reference they face."""

    request: Request
    sample: int
    rollouts: tuple[int, ...]
    second: bool

    @property
    def samples(self) -> range:
        """Its only sample."""
        return range(self.sample, self.sample + 1)


@dataclass
class Verdicts:
    """What came back on the answers of one probe, by rollout."""

    first: dict[int, str | None]
    second: dict[int, str | None]
    model: str | None = None


class Judging:
    """The judge of a spec: how answers become requests, and replies verdicts."""

    def __init__(self, context: Context) -> None:
        self.dispatcher: Dispatcher = context.dispatchers["judge"]
        self.model = context.spec.models.judge.model
        scoring = context.spec.scoring
        self.both = scoring.compare == "both"
        self._compare = scoring.compare
        self._together = scoring.judging == "together"
        self._once = scoring.identical == "once"
        self._render = requester(context, "judge")

    def questions(
        self, each: Posed, answers: Mapping[int, str], repeat: int = 0
    ) -> Iterator[Question]:
        """The judge calls about these answers, by rollout.

        `repeat`: which repetition of the same judgement; its samples are others than before.
        """
        for number, reference in enumerate(references(self._compare, each)):
            for rollouts in self._grouped(answers):
                request = self._request(each.probe, reference, [answers[i] for i in rollouts])
                yield Question(request, rollouts[0] + _SAMPLES * repeat, rollouts, number == 1)

    def asked(
        self, each: Posed, answers: Mapping[int, str], repeat: int = 0, what: str = ""
    ) -> Iterator[Asked]:
        """The same calls as a stage wants them. `what`: what the answers are, for messages."""
        for question in self.questions(each, answers, repeat):
            against = "against target_response" if question.second else ""
            yield each.asked(question.request, question.samples, f"{what} {against}".strip())

    def verdicts(
        self, replies: Replies, each: Posed, answers: Mapping[int, str], repeat: int = 0
    ) -> Verdicts:
        """The judge's words on each answer; Unsettled while some are missing."""
        found = Verdicts({}, {})
        questions = [*self.questions(each, answers, repeat)]
        told = replies.to([(each.request, each.samples) for each in questions])
        for question, reply in zip(questions, told, strict=True):
            found.model = found.model or reply.model
            words = self._words(reply, question.rollouts)
            (found.second if question.second else found.first).update(words)
        return found

    def repeated(self, answers: Mapping[int, str], after: int) -> dict[int, int]:
        """Rollouts from `after` on that need no call, each with the earlier one it repeats."""
        if self._together or not self._once:
            return {}
        first = {answers[i]: i for i in sorted(answers, reverse=True) if i < after}
        return {i: first[t] for i, t in answers.items() if i >= after and t in first}

    def _grouped(self, answers: Mapping[int, str]) -> list[tuple[int, ...]]:
        """Which rollouts share a call."""
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

    def _words(self, reply: Reply, rollouts: tuple[int, ...]) -> dict[int, str | None]:
        if reply.outcome is not Outcome.OK:
            return dict.fromkeys(rollouts)
        if not self._together:
            return dict.fromkeys(rollouts, reply.text)
        # One number per answer, in their order; any other count says nothing about any of them.
        words = [word for word in _BETWEEN.split(reply.text.strip()) if word]
        if len(words) != len(rollouts):
            return dict.fromkeys(rollouts)
        return dict(zip(rollouts, words, strict=True))


def judge_params(context: Context) -> dict[str, Json]:
    """What of the spec decides the judge's requests and how its replies are read."""
    scoring = context.spec.scoring
    return {
        "model": context.model_params("judge"),
        "compare": scoring.compare,
        "judging": scoring.judging,
        "identical": scoring.identical,
    }


def references(compare: str, each: Posed) -> list[str]:
    """The texts that answers to a probe are compared with, the leading one first."""
    if compare == "target_response":
        return [each.probe.response]
    return [each.atom, each.probe.response] if compare == "both" else [each.atom]


def judged(context: Context, inputs: Inputs, need: str) -> Iterator[tuple[Posed, AnswerRow]]:
    """Every written probe with the answers of a need."""
    yield from zip(posed(context, inputs), inputs.rows(need, AnswerRow), strict=True)


def whole(answers: AnswerRow) -> dict[int, str]:
    """The answers by rollout; none at all when one is missing, since then none counts."""
    texts = answers.answers
    return {i: t for i, t in enumerate(texts) if t is not None} if None not in texts else {}
