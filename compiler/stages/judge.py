"""Answers -> the judge's verbatim verdict on each.

Early stopping takes two passes, as in `answer`: `judge_rest` adds the verdicts on later rollouts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from msgspec import Struct
from msgspec.structs import replace

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.records import AnswerRow, VerdictRow
from compiler.stages.asking import POSED, Asked, Asking, Posed, Replies
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, judged, whole

VERSION = 3
REST_VERSION = 4


class _Case(Struct, frozen=True):
    """A probe with its answers, and its verdicts from the first pass."""

    each: Posed
    answers: AnswerRow
    first: VerdictRow | None


def stage(context: Context) -> Stage | None:
    """Bind the first pass, over the answers of `answer`; None if the policy has no judge.

    A probe with a failed rollout is not judged.
    """
    if not context.judged():
        return None

    def cases(inputs: Inputs) -> Iterator[_Case]:
        for each, answers in judged(context, inputs, "answer.answers"):
            yield _Case(each, answers, None)

    return _pass(context, "judge", VERSION, cases, 0, (*POSED, "answer.answers"), {})


def rest(context: Context) -> Stage | None:
    """Bind the second pass, over the later rollouts; None without early stopping."""
    stop = context.spec.scoring.stop
    if stop is None or not context.judged():
        return None

    def cases(inputs: Inputs) -> Iterator[_Case]:
        pairs = judged(context, inputs, "answer_rest.answers")
        firsts = inputs.rows("judge.verdicts", VerdictRow)
        for (each, answers), first in zip(pairs, firsts, strict=True):
            yield _Case(each, answers, first)

    return _pass(
        context,
        "judge_rest",
        REST_VERSION,
        cases,
        stop.after,
        (*POSED, "judge.verdicts", "answer_rest.answers"),
        {"after": stop.after},
    )


def _pass(
    context: Context,
    name: str,
    version: int,
    cases: Callable[[Inputs], Iterator[_Case]],
    after: int,
    needs: tuple[str, ...],
    params: dict[str, Json],
) -> Stage:
    """Bind the pass over the rollouts from `after` on."""
    judging = Judging(context)

    def pending(case: _Case) -> dict[int, str]:
        """Return the answers whose verdict no equal earlier answer already has."""
        texts = whole(case.answers)
        settled = judging.repeated(texts, after)
        return {i: text for i, text in texts.items() if i >= after and i not in settled}

    def asked(case: _Case) -> Iterator[Asked]:
        return judging.asked(case.each, pending(case))

    def row(case: _Case, replies: Replies) -> VerdictRow:
        first, count = case.first, len(case.answers.answers)
        found = judging.verdicts(replies, case.each, pending(case))
        same = judging.repeated(whole(case.answers), after)
        if first is None:
            model = found.model or judging.model
            first = VerdictRow(*case.each.key, (), () if judging.both(case.each) else None, model)
        verdicts = _extended(first.verdicts, found.first, same, count)
        seconds = first.seconds
        if seconds is not None:
            seconds = _extended(seconds, found.second, same, count)
        return replace(first, verdicts=verdicts, seconds=seconds)

    return Asking(judging.dispatcher, "verdicts", cases, asked, row).stage(
        name,
        version,
        needs,
        {**judge_params(context), **params},
        context.prompt_templates("judge"),
    )


def _extended(
    words: tuple[str | None, ...], found: dict[int, str | None], same: dict[int, int], count: int
) -> tuple[str | None, ...]:
    """Append to the verdicts on the first rollouts those on the others, up to `count` in all.

    `same`: later rollout -> the earlier one with an equal answer, whose verdict it shares.
    """
    later = range(len(words), count)
    return (*words, *(words[same[i]] if i in same else found.get(i) for i in later))
