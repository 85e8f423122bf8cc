"""Baseline answers, anchors and repeated blind answers -> the judge's verdicts on them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from msgspec import Struct

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.probes.sampling import Stream, chosen
from compiler.records import AnswerRow, AuditRow, ControlRow
from compiler.stages.asking import POSED, Asked, Asking, Posed, Replies, posed
from compiler.stages.context import Context
from compiler.stages.judging import Judging, judge_params, whole

VERSION = 3
UNKNOWN = "I don't know."
# Anchors use the samples of a repetition above the largest `rejudge.times`, so keys never collide.
_ANCHORS = 16


class _Case(Struct, frozen=True):
    """Answers of one kind to one probe, for the judge. `length`: number of verdicts in its row."""

    each: Posed
    kind: str
    answers: Mapping[int, str]
    repeat: int
    length: int


def stage(context: Context) -> Stage | None:
    """Bind the stage; None if the spec declares no baseline, anchors or repeated judgements."""
    scoring = context.spec.scoring
    if not context.audited():
        return None
    judging = Judging(context, scoring.audited())

    def cases(inputs: Inputs) -> Iterator[_Case]:
        return _cases(context, inputs)

    def asked(case: _Case) -> Iterator[Asked]:
        return judging.asked(case.each, case.answers, case.repeat, case.kind)

    def row(case: _Case, replies: Replies) -> AuditRow:
        found = judging.verdicts(replies, case.each, case.answers, case.repeat)
        verdicts = tuple(found.first.get(i) for i in range(case.length))
        return AuditRow(*case.each.key, case.kind, verdicts)

    params: dict[str, Json] = {
        "anchors": scoring.anchors.share if scoring.anchors is not None else None,
        "rejudge": scoring.rejudge.model_dump(mode="json") if scoring.rejudge else None,
        "seed": context.spec.seed,
    }
    baselines = ("control.answers",) if context.baselines() else ()
    return Asking(judging.dispatcher, "verdicts", cases, asked, row).stage(
        "audit",
        VERSION,
        (*POSED, context.answers_need(), *baselines),
        {**judge_params(context, scoring.audited()), **params},
        context.prompt_templates("judge"),
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
        for row in controls[each.key]:
            given = {i: text for i, text in enumerate(row.answers) if text is not None}
            yield _Case(each, row.baseline, given, 0, len(row.answers))
        anchors, rejudge = scoring.anchors, scoring.rejudge
        if anchors is not None and chosen(anchors.share, seed, "anchors", *each.key):
            foreign = _foreign(pairs, number, Stream(seed, "foreign", *each.key))
            for kind, text in _anchors(each, foreign):
                yield _Case(each, kind, {0: text}, _ANCHORS, 1)
        if rejudge is not None and chosen(rejudge.share, seed, "rejudge", *each.key):
            given = whole(blind)
            for repeat in range(1, rejudge.times) if given else ():
                yield _Case(each, f"again_{repeat}", given, repeat, len(blind.answers))


def _anchors(each: Posed, foreign: str | None) -> Iterator[tuple[str, str]]:
    """Yield answers with a known score, by kind: the truth in two forms, and four wrong ones."""
    yield "gold", each.probe.response
    yield "atom", each.atom
    yield "alternative", each.probe.alternative
    if foreign is not None:
        yield "foreign", foreign
    yield "unknown", UNKNOWN
    yield "echo", each.probe.question


def _foreign(pairs: list[tuple[Posed, AnswerRow]], mine: int, stream: Stream) -> str | None:
    """Return an answer to a probe of another document, chosen by the stream, or None."""
    start = stream.below(len(pairs))
    for each, answers in (*pairs[start:], *pairs[:start]):
        if each.probe.doc_id != pairs[mine][0].probe.doc_id and answers.answers[0] is not None:
            return answers.answers[0]
    return None
