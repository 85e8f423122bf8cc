"""Doc-records -> the generator's replies, one per doc-record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.probes import reply
from compiler.probes.annotate import marked
from compiler.records import DocRecord, ReplyRow
from compiler.stages.asking import Asked, Replies, hooks, reading, requester
from compiler.stages.context import Context

VERSION = 3
_ONE = range(1)


def stage(context: Context) -> Stage:
    """Asks the generator about every doc-record."""
    dispatcher = context.dispatchers["generator"]
    request = requests(context)

    def asked(inputs: Inputs) -> Iterator[Asked]:
        for record in inputs.rows("sample.records", DocRecord):
            yield Asked(request(record), _ONE, f"document {record.doc_id}")

    def rows(inputs: Inputs, replies: Replies) -> Iterator[ReplyRow]:
        for record in inputs.rows("sample.records", DocRecord):
            (found,) = replies.to([(request(record), _ONE)])
            yield ReplyRow(
                found.outcome.value,
                # A call that failed for good has no words but its error.
                found.text or found.error,
                found.model,
                found.output_tokens,
            )

    prepare, weigh = hooks(dispatcher, asked)
    return Stage(
        name="generate",
        version=VERSION,
        depth=2,
        needs=("sample.records",),
        params={
            "model": context.model_params("generator"),
            "addendum": _addendum(context),
            "scopes": [_scope_tag(context, name) for name in context.written()],
        },
        templates=context.prompt_templates("generator"),
        prepare=prepare,
        settle=dispatcher.settle,
        weigh=weigh,
        run=reading("replies", dispatcher, rows),
    )


def requests(context: Context) -> Callable[[DocRecord], Request]:
    """The request about a doc-record."""
    render = requester(context, "generator", reply.SCHEMA)
    scopes = [_scope_tag(context, name) for name in context.written()]
    written = context.written()

    def request(record: DocRecord) -> Request:
        slots = [
            {
                "index": slot.index,
                "scope": slot.scope,
                "split": written[slot.scope].split,
                "target": slot.target,
                "distance": slot.hint,
            }
            for slot in record.slots
            if slot.scope in written
        ]
        siblings = [
            {"index": each.idx, "marked": marked(each, record.gen_start)} for each in record.shown
        ]
        return render(
            {
                "addendum": _addendum(context),
                "scopes": scopes,
                "slots": slots,
                "siblings": siblings,
                "n_available": record.n_available,
            }
        )

    return request


def _addendum(context: Context) -> str:
    calibration = context.spec.calibration
    return calibration.levels[calibration.level].text


def _scope_tag(context: Context, name: str) -> Json:
    scope = context.written()[name]
    return {
        "name": name,
        "unit": scope.unit,
        "split": scope.split,
        "alternative": scope.alternative,
        "synergy": scope.synergy,
        "min_chars": scope.atom.min_chars,
        "max_chars": scope.atom.max_chars,
        "min_sentences": scope.atom.min_sentences,
    }
