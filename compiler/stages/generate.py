"""Doc-records -> the generator's replies, one per doc-record."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from compiler.engine.stage import Inputs, Stage
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.probes import reply
from compiler.probes.annotate import marked
from compiler.records import DocRecord, ReplyRow
from compiler.stages.asking import Asked, Asking, Replies, requester
from compiler.stages.context import Context

VERSION = 3
_ONE = range(1)


def stage(context: Context) -> Stage:
    """Bind the stage that sends the generator one request per doc-record."""
    dispatcher = context.dispatchers["generator"]
    request = requests(context)

    def cases(inputs: Inputs) -> Iterator[DocRecord]:
        return inputs.rows("sample.records", DocRecord)

    def asked(record: DocRecord) -> Iterator[Asked]:
        yield Asked(request(record), _ONE, f"document {record.doc_id}")

    def row(record: DocRecord, replies: Replies) -> ReplyRow:
        (found,) = replies.to([(request(record), _ONE)])
        return ReplyRow(
            found.outcome.value,
            # A request that failed permanently has only an error text.
            found.text or found.error,
            found.model,
            found.output_tokens,
        )

    return Asking(dispatcher, "replies", cases, asked, row).stage(
        "generate",
        VERSION,
        ("sample.records",),
        {
            "model": context.model_params("generator"),
            "addendum": _addendum(context),
            "scopes": [_scope_tag(context, name) for name in context.written()],
        },
        context.prompt_templates("generator"),
    )


def requests(context: Context) -> Callable[[DocRecord], Request]:
    """Return a function that renders the request about a doc-record."""
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
