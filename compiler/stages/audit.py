"""What the judge says of answers that are not the blind ones: of baselines, anchors, and again."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.probes.sampling import Stream, chosen
from compiler.records import AnswerRow, AuditRow, ControlRow
from compiler.stages.asking import Asked, Posed, Replies, hooks, posed, reading
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, whole

VERSION = 3
UNKNOWN = "I don't know."
# Judgements of anchors take samples that no rollout can have.
_ANCHORS = 64 * 16


@dataclass(frozen=True, slots=True)
class _Case:
    """Answers to one probe that the judge is asked about."""

    each: Posed
    kind: str
    answers: Mapping[int, str]
    repeat: int
    length: int


def stage(context: Context) -> Stage | None:
    """Asks the judge about them; None when the spec declares none of it."""
    scoring = context.spec.scoring
    if not context.audited():
        return None
    judging = Judging(context)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for case in _cases(context, inputs):
            yield from judging.asked(case.each, case.answers, case.repeat, case.kind)

    def rows(inputs: Inputs, replies: Replies) -> Iterator[AuditRow]:
        return (_row(judging, replies, case) for case in _cases(context, inputs))

    prepare, weigh = hooks(judging.dispatcher, asked)
    params: dict[str, Json] = {
        "anchors": scoring.anchors.share if scoring.anchors is not None else None,
        "rejudge": scoring.rejudge.model_dump(mode="json") if scoring.rejudge else None,
        "seed": context.spec.seed,
    }
    return Stage(
        name="audit",
        version=VERSION,
        depth=2,
        needs=(
            *("sample.records", "finalize.choices", "finalize.probes", context.answers_need()),
            *(("control.answers",) if context.baselines() else ()),
        ),
        params={**judge_params(context), **params},
        templates=context.prompt_templates("judge"),
        prepare=prepare,
        settle=judging.dispatcher.settle,
        weigh=weigh,
        run=reading("verdicts", judging.dispatcher, rows),
    )


def _row(judging: Judging, replies: Replies, case: _Case) -> AuditRow:
    found = judging.verdicts(replies, case.each, case.answers, case.repeat)
    return AuditRow(
        case.each.probe.doc_id,
        case.each.probe.slot,
        case.kind,
        tuple(found.first.get(i) for i in range(case.length)),
    )


def _cases(context: Context, inputs: Inputs) -> Iterator[_Case]:
    scoring, seed = context.spec.scoring, context.spec.seed
    controls: dict[tuple[str, int], list[ControlRow]] = defaultdict(list)
    if context.baselines():
        for row in inputs.rows("control.answers", ControlRow):
            controls[row.doc_id, row.slot].append(row)
    answers = inputs.rows(context.answers_need(), AnswerRow)
    pairs = list(zip(posed(context, inputs), answers, strict=True))
    for number, (each, blind) in enumerate(pairs):
        place = (each.probe.doc_id, each.probe.slot)
        for row in controls[place]:
            given = {i: text for i, text in enumerate(row.answers) if text is not None}
            yield _Case(each, row.baseline, given, 0, len(row.answers))
        if scoring.anchors is not None and chosen(scoring.anchors.share, seed, "anchors", *place):
            foreign = _foreign(pairs, number, Stream(seed, "foreign", *place))
            for kind, text in _anchors(each, foreign):
                yield _Case(each, kind, {0: text}, _ANCHORS // 64, 1)
        rejudge = scoring.rejudge
        if rejudge is not None and chosen(rejudge.share, seed, "rejudge", *place):
            given = whole(blind)
            for repeat in range(1, rejudge.times) if given else ():
                yield _Case(each, f"again_{repeat}", given, repeat, len(blind.answers))


def _anchors(each: Posed, foreign: str | None) -> Iterator[tuple[str, str]]:
    """Answers whose score is known: the truth in two forms, and five ways to be wrong."""
    yield "gold", each.probe.response
    yield "atom", each.atom
    yield "alternative", each.probe.alternative
    if foreign is not None:
        yield "foreign", foreign
    yield "unknown", UNKNOWN
    yield "echo", each.probe.question


def _foreign(pairs: list[tuple[Posed, AnswerRow]], mine: int, stream: Stream) -> str | None:
    """The first answer to a probe of another document, as the stream picks it."""
    start = stream.below(len(pairs))
    for each, answers in (*pairs[start:], *pairs[:start]):
        if each.probe.doc_id != pairs[mine][0].probe.doc_id and answers.answers[0] is not None:
            return answers.answers[0]
    return None
