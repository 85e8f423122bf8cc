"""Doc-records -> the generator's replies, one per doc-record."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from compiler.engine.stage import Inputs, Stage
from compiler.engine.store import plain
from compiler.keys import Json
from compiler.llm.messages import Request
from compiler.probes import ids, reply
from compiler.probes.annotate import marked
from compiler.probes.menu import Menu
from compiler.probes.offer import UNSENT, Offer, offer
from compiler.probes.units import SIDE
from compiler.records import DocRecord, ReplyRow, ShownSibling, Side
from compiler.spec.model import WrittenScope
from compiler.stages.asking import Asked, Asking, Replies, requester
from compiler.stages.context import Context

VERSION = 4
_ONE = range(1)
_SIDES: dict[Side, str] = {"prefix": "before", "suffix": "after"}
# Fewest shown siblings with which a suffix probe is labelled typical or atypical.
_LABELLED = 3


def stage(context: Context) -> Stage:
    """Bind the stage that sends the generator one request per doc-record."""
    dispatcher = context.dispatchers["generator"]
    request = requests(context)
    written = context.written()

    def cases(inputs: Inputs) -> Iterator[DocRecord]:
        return inputs.rows("sample.records", DocRecord)

    def asked(record: DocRecord) -> Iterator[Asked]:
        found = request(record)
        if found is not None:
            yield Asked(found, _ONE, f"document {record.doc_id}")

    def row(record: DocRecord, replies: Replies) -> ReplyRow:
        wanted = request(record)
        if wanted is None:
            return ReplyRow(UNSENT, "", "", 0)
        (found,) = replies.to([(wanted, _ONE)])
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
            "level": context.spec.calibration.level,
            "addendum": _addendum(context),
            "scopes": [_scope_tag(context, name) for name in context.written()],
            "templated": [*sorted({scope.split for scope in context.templated().values()})],
            "atoms": [plain([s.unit, s.atom.model_dump(mode="json")]) for s in written.values()],
        },
        context.prompt_templates("generator"),
    )


def offers(context: Context) -> Callable[[DocRecord], Offer]:
    """Return a function that finds the offer of a doc-record."""
    written, groups = context.written(), context.groups()
    return lambda record: offer(record, written, groups)


def requests(context: Context) -> Callable[[DocRecord], Request | None]:
    """Return a function that renders the request about a doc-record.

    None for a doc-record without a slot that a sibling can fill.
    """
    render = requester(context, "generator", reply.SCHEMA)
    find = offers(context)
    written = context.written()
    tags = {name: _scope_tag(context, name) for name in written}

    def request(record: DocRecord) -> Request | None:
        found = find(record)
        if not found.slots:
            return None
        labelled = len(record.shown) >= _LABELLED
        slots = [
            {
                "index": slot.index,
                "scope": slot.scope,
                "side": _SIDES[slot.target],
                "distance": slot.hint,
                "labelled": labelled and slot.target == "suffix",
            }
            for slot in found.slots
        ]
        used = {slot.scope for slot in found.slots}
        return render(
            {
                "level": context.spec.calibration.level,
                "addendum": _addendum(context),
                "scopes": [tag for name, tag in tags.items() if name in used],
                "slots": slots,
                "siblings": [_sibling_tag(each, record, found, written) for each in record.shown],
                "n_available": record.n_available,
            }
        )

    return request


def _sibling_tag(
    sibling: ShownSibling, record: DocRecord, found: Offer, scopes: Mapping[str, WrittenScope]
) -> dict[str, object]:
    """Return the values of one sibling. Slots with the same units are listed together."""
    order = [unit.id for unit in sibling.units] + [place.id for place in sibling.boundaries]
    order.append(ids.make(sibling.letter, SIDE))
    slots: dict[str, list[str]] = {}
    for slot in found.slots:
        listed = ids.listed(found.units[slot.index][sibling.letter], order)
        slots.setdefault(listed, []).append(str(slot.index))
    return {
        "id": sibling.letter,
        "marked": marked(sibling, record.gen_start, found.offered),
        "splits": [
            {"group": group, "places": ids.listed(by_letter[sibling.letter], order)}
            for group, by_letter in found.places.items()
            if by_letter[sibling.letter]
        ],
        "units": [
            {"slots": " ".join(numbers), "units": listed}
            for listed, numbers in slots.items()
            if listed
        ],
        "menu": Menu(sibling, found, scopes),
    }


def _addendum(context: Context) -> str:
    calibration = context.spec.calibration
    return calibration.levels[calibration.level].text


def _scope_tag(context: Context, name: str) -> Json:
    scope = context.written()[name]
    return {
        "name": name,
        "split": scope.split,
        "alternative": scope.alternative,
        "synergy": scope.synergy,
        "words": scope.words,
    }
