"""Replies -> the chosen sibling, four splits, written probes, and rejects with reasons."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from msgspec import Struct, field

from compiler.engine.stage import Inputs, Outputs, Part, Stage
from compiler.llm.messages import Outcome
from compiler.probes.offer import UNSENT, Offer, offer
from compiler.probes.units import identity
from compiler.records import (
    Choice,
    DocRecord,
    Group,
    Probe,
    Reject,
    ReplyRow,
    UnknownKeys,
)
from compiler.spec.model import WrittenScope
from compiler.stages.context import Context

if TYPE_CHECKING:
    from compiler.probes.reply import Parsed

VERSION = 5


class _Bound(Struct, frozen=True):
    """The configuration of a step."""

    scopes: dict[str, WrittenScope]
    groups: dict[str, Group]
    suffix_in_generated: bool


class _Made(Struct):
    """The rows of one shard."""

    choices: list[Choice] = field(default_factory=list)
    probes: list[Probe] = field(default_factory=list)
    rejects: list[Reject] = field(default_factory=list)
    unknown: list[UnknownKeys] = field(default_factory=list)


def stage(context: Context) -> Stage:
    """Bind the stage, one step per shard. It sends no requests."""
    spec = context.spec
    scopes = context.written()
    return Stage(
        name="finalize",
        version=VERSION,
        depth=2,
        needs=("sample.records", "generate.replies"),
        params={
            "scopes": {name: scope.model_dump(mode="json") for name, scope in spec.scopes.items()},
            "suffix_in_generated": spec.splits.suffix_in_generated,
            "segmenter": identity(scope.unit for scope in scopes.values()),
        },
        run=partial(_run, _Bound(scopes, context.groups(), spec.splits.suffix_in_generated)),
    )


def _run(bound: _Bound, part: Part, inputs: Inputs, out: Outputs) -> None:
    made = _Made()
    records = inputs.rows("sample.records", DocRecord)
    for record, reply in zip(records, inputs.rows("generate.replies", ReplyRow), strict=True):
        _document(bound, record, reply, made)
    out.rows("choices", made.choices)
    out.rows("probes", made.probes)
    out.rows("rejects", made.rejects)
    out.rows("unknown_keys", made.unknown)


def _document(bound: _Bound, record: DocRecord, reply: ReplyRow, made: _Made) -> None:
    from compiler.probes import drawing
    from compiler.probes.scopes import written

    offered = offer(record, bound.scopes, bound.groups)
    lacking = written.unfilled(record, offered, bound.scopes)
    made.rejects.extend(lacking)
    parsed, rung, unknown = _parse(record, offered, reply)
    if unknown:
        made.unknown.append(UnknownKeys(record.doc_id, unknown))
    chosen = None
    if isinstance(parsed, tuple):
        lost = {each.slot for each in lacking}
        made.rejects.extend(
            _reject(record, index, *parsed)
            for index, slot in enumerate(record.slots)
            if slot.scope in bound.scopes and slot.index not in lost
        )
    else:
        chosen = Choice(
            record.doc_id,
            parsed.sibling.idx,
            parsed.splits,
            parsed.split_tokens,
            parsed.sibling_rationale,
            parsed.split_rationale,
            reply.model,
            rung,
        )
        built = written.build(
            record, offered, parsed, bound.scopes, suffix_in_generated=bound.suffix_in_generated
        )
        made.probes.extend(built.probes)
        made.rejects.extend(built.rejects)
    templated = {name: group for name, group in bound.groups.items() if name not in bound.scopes}
    choice = drawing.completed(record, chosen, {*templated.values()}, reply.model)
    if choice is not None:
        made.choices.append(choice)
    for index, slot in enumerate(record.slots):
        group = templated.get(slot.scope)
        if group is not None and (choice is None or choice.splits.get(group) is None):
            detail = f"{group} split of " + (
                f"sibling {choice.sibling}" if choice is not None else "any shown sibling"
            )
            made.rejects.append(_reject(record, index, "no_split_place", detail))


def _parse(
    record: DocRecord, offered: Offer, reply: ReplyRow
) -> tuple[Parsed | tuple[str, str], str, tuple[str, ...]]:
    """Return the parsed reply, its rung and unknown keys.

    In place of an unusable reply: its (reason, detail).
    """
    from compiler.decoding.repair import Undecoded, decode
    from compiler.probes import reply as replies

    if reply.outcome != Outcome.OK:
        return _unusable(reply), "", ()
    decoded = decode(reply.text, replies.SCHEMA)
    if isinstance(decoded, Undecoded):
        reason = "reply_ambiguous" if decoded.ambiguous else "reply_unparsed"
        return (reason, f"{decoded.why}: {reply.text[:200]}"), "", ()
    damages = [(damage.text, damage.why) for damage in decoded.damages]
    parsed = replies.interpret(decoded.value, record, offered, damages)
    if isinstance(parsed, str):
        return ("reply_invalid", parsed), "", decoded.unknown
    return parsed, decoded.rung, decoded.unknown


def _unusable(reply: ReplyRow) -> tuple[str, str]:
    """Return the reason and detail of a reply whose outcome is not OK."""
    if reply.outcome == UNSENT:
        return "no_unit", "no request was sent: no shown sibling can fill a written slot"
    if reply.outcome == Outcome.REFUSED:
        return "reply_refused", reply.text[:200]
    if reply.outcome == Outcome.TRUNCATED:
        return "reply_truncated", f"{reply.output_tokens} output tokens"
    if reply.outcome in (Outcome.PAUSED, Outcome.EMPTY, Outcome.UNKNOWN):
        return f"reply_{reply.outcome}", reply.text[:200]
    return "reply_errored", f"{reply.outcome}: {reply.text[:200]}"


def _reject(record: DocRecord, index: int, reason: str, detail: str) -> Reject:
    slot = record.slots[index]
    return Reject(record.round, record.doc_id, slot.index, slot.scope, "finalize", reason, detail)
