"""Answers and verdicts -> scores, or the status of a probe without scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import repeat

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.engine.store import plain
from compiler.probes.scoring import POLICIES
from compiler.probes.scoring.policy import Policy
from compiler.probes.scoring.reduction import Numbers, reduced
from compiler.records import AnswerRow, AuditRow, AuditScore, ControlRow, ScoreRow, VerdictRow
from compiler.stages.asking import POSED, Posed, posed
from compiler.stages.context import Context
from compiler.stages.judging import references

VERSION = 1


def stage(context: Context) -> Stage:
    """Bind the stage that applies the scoring policy. It sends no requests."""
    scoring = context.spec.scoring
    policy = POLICIES[scoring.policy]
    reducers = frozenset(scoring.reduce)

    def scores(inputs: Inputs) -> Iterator[ScoreRow]:
        for each, answers, verdicts in _judged(context, policy, inputs):
            if policy.judged and verdicts is not None:
                first = _numbers(policy, verdicts.verdicts)
                seconds = verdicts.seconds
                second = None if seconds is None else _numbers(policy, seconds)
            else:
                truths = references(scoring, each)
                first = _numbers(policy, answers.answers, truths[0])
                second = _numbers(policy, answers.answers, truths[1]) if len(truths) > 1 else None
            yield reduced(answers, first, second, scoring.rollouts, reducers)

    def run(part: Part, inputs: Inputs, out: Outputs) -> None:
        out.rows("scores", scores(inputs))
        out.rows("audits", _audits(context, policy, inputs))

    return Stage(
        name="score",
        version=VERSION,
        depth=2,
        needs=_needs(context, policy),
        params={
            "policy": scoring.policy,
            "reduce": [*sorted(reducers)],
            "rollouts": scoring.rollouts,
            "compare": plain(context.spec.compared()),
            # Left out of keys from before policies had versions.
            **({"policy_version": policy.version} if policy.version > 1 else {}),
        },
        run=run,
    )


def _needs(context: Context, policy: Policy) -> tuple[str, ...]:
    needs = [*POSED, context.answers_need()]
    if policy.judged:
        needs.append(context.verdicts_need())
        needs += ["audit.verdicts"] if context.audited() else []
    else:
        needs += ["control.answers"] if context.baselines() else []
    return tuple(needs)


def _judged(
    context: Context, policy: Policy, inputs: Inputs
) -> Iterator[tuple[Posed, AnswerRow, VerdictRow | None]]:
    verdicts: Iterator[VerdictRow | None] = (
        inputs.rows(context.verdicts_need(), VerdictRow) if policy.judged else repeat(None)
    )
    answers = inputs.rows(context.answers_need(), AnswerRow)
    for (each, answer), verdict in zip(
        zip(posed(context, inputs), answers, strict=True), verdicts, strict=False
    ):
        yield each, answer, verdict


def _numbers(policy: Policy, texts: tuple[str | None, ...], truth: str = "") -> Numbers:
    return tuple(None if text is None else policy.number(text, truth) for text in texts)


def _audits(context: Context, policy: Policy, inputs: Inputs) -> Iterator[AuditScore]:
    """Yield the scores of baselines, anchors and repeated judgements."""
    if policy.judged:
        if context.audited():
            for row in inputs.rows("audit.verdicts", AuditRow):
                numbers = _numbers(policy, row.verdicts)
                yield AuditScore(row.doc_id, row.slot, row.kind, numbers)
    elif context.baselines():
        truths: Mapping[tuple[str, int], str] = {
            each.key: references(context.spec.scoring, each)[0] for each in posed(context, inputs)
        }
        for control in inputs.rows("control.answers", ControlRow):
            numbers = _numbers(policy, control.answers, truths[control.doc_id, control.slot])
            yield AuditScore(control.doc_id, control.slot, control.baseline, numbers)
