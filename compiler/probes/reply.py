"""Models of a generator's reply: ids and words, never offsets or copied text.

pydantic validates here, because the text comes from a language model. A malformed slot rejects that
slot only; a reply without sibling, rationales, splits and a list of probes is rejected as a whole.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from compiler.keys import Json
from compiler.records import GROUPS, DocRecord, Group, ShownSibling, Splits
from compiler.words import is_placeholder

RATIONALE = 1000
# Longer digit strings are not slot or sibling numbers.
_DIGITS = 20
_SLOT = re.compile(r"slot[\"'“”]?\s*:\s*[\"'“”]?(\d{1,19})(?!\d)")


def _number(value: object) -> object:
    # Models sometimes write slot and sibling numbers as text.
    if isinstance(value, str) and len(value) < _DIGITS and value.strip().isdecimal():
        return int(value)
    return value


def _lower(value: object) -> object:
    return value.strip().lower() if isinstance(value, str) else value


def _nothing(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in _NOTHING else value


def _text(value: str | None) -> str | None:
    """Refuse lone surrogates, which pydantic refuses only in texts with a length limit."""
    if value is not None:
        value.encode()
    return value


_NOTHING = {"", "null", "none", "n/a", "na", "-"}
Number = Annotated[int, BeforeValidator(_number)]
Note = Annotated[str | None, BeforeValidator(_nothing), AfterValidator(_text)]


class Draft(BaseModel):
    """One written probe as the generator returned it."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    slot: Number
    unit: Annotated[str | None, BeforeValidator(_nothing)] = None
    question: Annotated[str, Field(min_length=1)]
    answer: Annotated[str, Field(min_length=1)]
    alternative: Annotated[str, Field(min_length=1)]
    typicality: Annotated[
        Literal["typical", "atypical"] | None,
        BeforeValidator(_lower),
        BeforeValidator(_nothing),
    ] = None
    synergy_check: Note = None
    distribution_check: Note = None
    difficulty_check: Note = None


class SplitIds(BaseModel):
    """The chosen split places, by group."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    word_lens: Annotated[str | None, BeforeValidator(_nothing)] = None
    sentence: Annotated[str | None, BeforeValidator(_nothing)] = None
    paragraph: Annotated[str | None, BeforeValidator(_nothing)] = None
    whole: Annotated[str | None, BeforeValidator(_nothing)] = None


class Head(BaseModel):
    """The part of a reply that all slots depend on."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    sibling: Number
    sibling_rationale: Annotated[str, Field(min_length=1)]
    splits: SplitIds
    split_rationale: Annotated[str, Field(min_length=1)]
    probes: list[object]


_NULLABLE: Json = {"anyOf": [{"type": "string"}, {"type": "null"}]}
_LABEL: Json = {"anyOf": [{"type": "string", "enum": ["typical", "atypical"]}, {"type": "null"}]}


def _object(**properties: Json) -> dict[str, Json]:
    names: list[Json] = [*properties]
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


_TEXT: Json = {"type": "string"}
_INTEGER: Json = {"type": "integer"}

# For providers that decode under a schema. They support neither lengths nor exact item counts, so
# replies are validated against the models above in any case.
SCHEMA: dict[str, Json] = _object(
    sibling=_INTEGER,
    sibling_rationale=_TEXT,
    splits=_object(word_lens=_NULLABLE, sentence=_NULLABLE, paragraph=_NULLABLE, whole=_NULLABLE),
    split_rationale=_TEXT,
    probes={
        "type": "array",
        "items": _object(
            slot=_INTEGER,
            unit=_NULLABLE,
            question=_TEXT,
            answer=_TEXT,
            alternative=_TEXT,
            typicality=_LABEL,
            synergy_check=_TEXT,
            distribution_check=_NULLABLE,
            difficulty_check=_TEXT,
        ),
    },
)


@dataclass(frozen=True)
class Parsed:
    """A reply validated against its doc-record.

    A group without a legal split has None in `splits` and its reason in `faults`; `given` holds the
    split ids as the reply named them. `drafts` and `bad_slots` are by slot index; the latter holds
    the reason and an error message per malformed slot. `unplaced`: errors of damaged probes whose
    slot is not known.
    """

    sibling: ShownSibling
    splits: Splits
    split_tokens: Splits
    faults: dict[Group, str]
    sibling_rationale: str
    split_rationale: str
    drafts: dict[int, Draft]
    bad_slots: dict[int, tuple[str, str]]
    given: dict[Group, str | None]
    unplaced: tuple[str, ...] = ()


def interpret(
    value: object, record: DocRecord, damages: Sequence[tuple[str, str]] = ()
) -> Parsed | str:
    """Validate a decoded reply against its doc-record; a str is the error of an unusable reply.

    `damages`: raw texts of probes that could not be read, each with the error.
    """
    try:
        head = Head.model_validate(value)
    except ValidationError as error:
        return _first(error)
    for name in ("sibling_rationale", "split_rationale"):
        if is_placeholder(getattr(head, name)):
            return f"{name} is a placeholder, so the choice is an example's"
    chosen = next((s for s in record.shown if s.idx == head.sibling), None)
    if chosen is None:
        have = ", ".join(str(s.idx) for s in record.shown)
        return f"sibling {head.sibling} was not shown (shown: {have})"
    splits, split_tokens, faults = _splits(head.splits, chosen)
    slots = {slot.index for slot in record.slots}
    damaged, unplaced = _damaged(damages)
    drafts, bad = _drafts(head.probes, slots, damaged)
    return Parsed(
        chosen,
        splits,
        split_tokens,
        faults,
        head.sibling_rationale.strip()[:RATIONALE],
        head.split_rationale.strip()[:RATIONALE],
        drafts,
        bad,
        {group: getattr(head.splits, group) for group in GROUPS},
        unplaced,
    )


def _splits(ids: SplitIds, sibling: ShownSibling) -> tuple[Splits, Splits, dict[Group, str]]:
    places = {boundary.id: boundary for boundary in sibling.boundaries}
    offsets: dict[Group, int | None] = dict.fromkeys(GROUPS)
    tokens: dict[Group, int | None] = dict.fromkeys(GROUPS)
    faults: dict[Group, str] = {}
    for group in GROUPS:
        name: str | None = getattr(ids, group)
        place = places.get(name) if name is not None else None
        if name is None:
            faults[group] = "split_not_given"
        elif place is None:
            faults[group] = "split_unknown_id"
        elif group not in place.groups:
            faults[group] = "split_not_legal"
        else:
            offsets[group] = place.offset
            tokens[group] = place.tokens
    return _by_group(offsets), _by_group(tokens), faults


def _by_group(numbers: dict[Group, int | None]) -> Splits:
    return Splits(*(numbers[group] for group in GROUPS))


def _damaged(damages: Sequence[tuple[str, str]]) -> tuple[dict[int, str], tuple[str, ...]]:
    """Return the errors of damaged probes by the slots that their texts name, and the others."""
    by_slot: dict[int, str] = {}
    unplaced = []
    for text, error in damages:
        numbers = [int(found[1]) for found in _SLOT.finditer(text)]
        by_slot |= dict.fromkeys(numbers, error)
        unplaced += [] if numbers else [error]
    return by_slot, tuple(unplaced)


def _drafts(
    probes: Sequence[object], slots: set[int], damaged: Mapping[int, str]
) -> tuple[dict[int, Draft], dict[int, tuple[str, str]]]:
    drafts: dict[int, Draft] = {}
    bad = {slot: ("slot_unparsed", damaged[slot]) for slot in slots & damaged.keys()}
    for item in probes:
        try:
            draft = Draft.model_validate(item)
        except ValidationError as error:
            slot = _slot_of(item)
            if slot in slots:
                bad.setdefault(slot, ("slot_invalid", _first(error)))
            continue
        if draft.slot in drafts or draft.slot in bad:
            bad[draft.slot] = "slot_invalid", "the reply has this slot twice"
        elif draft.slot in slots:
            drafts[draft.slot] = draft
    for slot in bad:
        drafts.pop(slot, None)
    return drafts, bad


def _slot_of(item: object) -> int:
    value = _number(item.get("slot")) if isinstance(item, dict) else None
    return value if isinstance(value, int) else -1


def _first(error: ValidationError) -> str:
    detail = error.errors(include_url=False, include_input=False)[0]
    place = ".".join(str(part) for part in detail["loc"]) or "reply"
    return f"{place}: {detail['msg'][:1].lower()}{detail['msg'][1:]}"
