"""Written probes -> blind answers: K rollouts that see only the complement.

Early stopping takes two passes: `answer` samples the first rollouts of every probe, `answer_rest`
the remaining ones of probes that the verdicts on the first do not make EASY.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.probes.scoring import POLICIES
from compiler.probes.scoring.reduction import decided
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.answering import Answering
from compiler.stages.asking import POSED, Asked, Asking, Posed, Replies, posed
from compiler.stages.context import Context

VERSION = 3


class _Case(Struct, frozen=True):
    """A probe with the rollouts that a pass samples, and its answers from the first pass."""

    each: Posed
    samples: range
    first: AnswerRow | None = None


def stage(context: Context) -> Stage:
    """Bind the first pass: all rollouts of a probe, or with early stopping the first few."""
    stop = context.spec.scoring.stop
    samples = range(stop.after if stop is not None else context.spec.scoring.rollouts)

    def cases(inputs: Inputs) -> Iterator[_Case]:
        return (_Case(each, samples) for each in posed(context, inputs))

    return _pass(context, "answer", cases, POSED, {"rollouts": len(samples)})


def rest(context: Context) -> Stage | None:
    """Bind the second pass, for probes without an EASY score; None without early stopping.

    A probe with a failed first rollout gets no more, because it cannot be scored.
    """
    scoring = context.spec.scoring
    if scoring.stop is None or not context.judged():
        return None
    after, rollouts, easy = scoring.stop.after, scoring.rollouts, scoring.bands.easy
    policy = POLICIES[scoring.policy]

    def cases(inputs: Inputs) -> Iterator[_Case]:
        rows = zip(
            posed(context, inputs),
            inputs.rows("answer.answers", AnswerRow),
            inputs.rows("judge.verdicts", VerdictRow),
            strict=True,
        )
        for each, first, verdicts in rows:
            undecided = decided(verdicts, policy, easy) is False
            yield _Case(each, range(after, rollouts if undecided else after), first)

    return _pass(
        context,
        "answer_rest",
        cases,
        (*POSED, "answer.answers", "judge.verdicts"),
        {"after": after, "rollouts": rollouts, "easy": easy, "policy": scoring.policy},
    )


def _pass(
    context: Context,
    name: str,
    cases: Callable[[Inputs], Iterator[_Case]],
    needs: tuple[str, ...],
    params: dict[str, Json],
) -> Stage:
    answering = Answering(context)

    def asked(case: _Case) -> Iterator[Asked]:
        if case.samples:
            yield case.each.asked(answering.request(case.each), case.samples)

    def row(case: _Case, replies: Replies) -> AnswerRow:
        each, first = case.each, case.first
        if first is not None and not case.samples:
            return first
        found = answering.answers(replies, answering.request(each), case.samples)
        if first is not None:
            return replace(first, answers=(*first.answers, *found.texts))
        return AnswerRow(*each.key, found.texts, found.model, answering.seen(each))

    return Asking(answering.dispatcher, "answers", cases, asked, row).stage(
        name,
        VERSION,
        needs,
        {**answering.params, **params},
        context.prompt_templates("answerer"),
    )
