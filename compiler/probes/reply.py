"""Models of a generator's reply: ids and words, never offsets or copied text.

pydantic validates here, because the text comes from a language model. A malformed slot rejects that
slot only; a reply without a shown sibling, splits and a list of probes is rejected as a whole.
Notes and rationales are optional: an unusable one is dropped, and the slot is flagged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Annotated

from msgspec import Struct
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)

from compiler.keys import Json
from compiler.probes import ids
from compiler.probes.checks import has_control
from compiler.probes.offer import Offer
from compiler.records import GROUPS, DocRecord, Group, ShownSibling, Splits
from compiler.words import is_placeholder

NOTE = 1000
"""Most characters of a note or rationale; longer ones are dropped."""
DROPPED, UNESCAPED = "V40", "V41"
"""Flags of rows with a dropped note or rationale, and with unescaped entities."""

NOTES = ("synergy_check", "distribution_check", "difficulty_check")
_RATIONALES = ("sibling_rationale", "split_rationale")
_TEXTS = ("question", "answer", "alternative", *NOTES)
# Longer digit strings are not slot numbers.
_DIGITS = 20
_SLOT = re.compile(r"slot[\"'“”]?\s*:\s*[\"'“”]?(\d{1,19})(?!\d)")
_NOTHING = {"", "null", "none", "n/a", "na", "-"}
_ENTITIES = {
    "lt": "<",
    "gt": ">",
    "quot": '"',
    "#34": '"',
    "#39": "'",
    "#x27": "'",
    "apos": "'",
    "amp": "&",
}
_ENTITY = re.compile(rf"&({'|'.join(_ENTITIES)});")
_GIVEN = 80


def _number(value: object) -> object:
    # Models sometimes write slot numbers as text, or with a decimal point.
    if isinstance(value, str) and len(value) < _DIGITS and value.strip().isdecimal():
        return int(value)
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _nothing(value: object) -> object:
    return None if isinstance(value, str) and value.strip().lower() in _NOTHING else value


def _id(value: object) -> object:
    return _nothing(ids.bare(value)) if isinstance(value, str) else value


def _label(value: object) -> object:
    value = _nothing(value)
    return value if value is None else str(value).strip().lower()[:_GIVEN]


def _text(value: str) -> str:
    """Refuse lone surrogates, which pydantic refuses only in some texts."""
    value.encode()
    return value


def _note(value: object) -> tuple[str | None, bool]:
    """Return the text of a note, None without a usable one, and whether one was dropped."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        value = "; ".join(value)
    value = _nothing(value)
    if value is None or value == []:
        return None, False
    if not isinstance(value, str) or not 0 < len(value.strip()) <= NOTE:
        return None, True
    try:
        value.encode()
    except UnicodeEncodeError:
        return None, True
    unusable = has_control(value) or is_placeholder(value)
    return (None, True) if unusable else (value.strip(), False)


Number = Annotated[int, BeforeValidator(_number)]
Text = Annotated[str, Field(min_length=1), AfterValidator(_text)]


class Draft(BaseModel):
    """One written probe as the generator returned it. `flags`: ids of warnings about its texts."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    slot: Number
    unit: Annotated[str | None, BeforeValidator(_id)] = None
    question: Text
    answer: Text
    alternative: Text
    typicality: Annotated[str | None, BeforeValidator(_label)] = None
    synergy_check: str | None = None
    distribution_check: str | None = None
    difficulty_check: str | None = None
    flags: tuple[str, ...] = ()

    @model_validator(mode="before")
    @classmethod
    def _noted(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        notes = {name: _note(value.get(name)) for name in NOTES}
        flags = (DROPPED,) if any(dropped for _, dropped in notes.values()) else ()
        return {**value, **{name: note for name, (note, _) in notes.items()}, "flags": flags}

    def unescaped(self, source: str) -> Draft:
        """Return the draft with plain texts, flagged if an entity was replaced."""
        texts = {name: getattr(self, name) for name in _TEXTS}
        plain = {name: text and unescape(text, source) for name, text in texts.items()}
        if plain == texts:
            return self
        return self.model_copy(update={**plain, "flags": (*self.flags, UNESCAPED)})


class Head(BaseModel):
    """The part of a reply that all slots depend on."""

    model_config = ConfigDict(frozen=True, extra="ignore", defer_build=True)

    sibling: Annotated[str, BeforeValidator(_id)]
    splits: dict[str, object]
    probes: list[object]


_TEXT: Json = {"type": "string"}
_INTEGER: Json = {"type": "integer"}
_NULLABLE: Json = {"anyOf": [_TEXT, {"type": "null"}]}
_TYPICALITY: Json = {
    "anyOf": [{"type": "string", "enum": ["typical", "atypical"]}, {"type": "null"}]
}


def _object(properties: dict[str, Json]) -> dict[str, Json]:
    names: list[Json] = [*properties]
    return {
        "type": "object",
        "properties": properties,
        "required": names,
        "additionalProperties": False,
    }


# For providers that decode under a schema, the same for all requests. They support neither lengths
# nor exact item counts, so replies are validated against the models above in any case.
SCHEMA: dict[str, Json] = _object(
    {
        "sibling": _TEXT,
        "sibling_rationale": _TEXT,
        "splits": _object(dict.fromkeys(GROUPS, _NULLABLE)),
        "split_rationale": _TEXT,
        "probes": {
            "type": "array",
            "items": {
                "anyOf": [
                    _object(
                        {
                            "slot": _INTEGER,
                            "unit": _TEXT,
                            "question": _TEXT,
                            "answer": _TEXT,
                            "alternative": _TEXT,
                            "typicality": _TYPICALITY,
                            "synergy_check": _TEXT,
                            "distribution_check": _NULLABLE,
                            "difficulty_check": _TEXT,
                        }
                    ),
                    _object({"slot": _INTEGER, "decline": _TEXT}),
                ]
            },
        },
    }
)


class Parsed(Struct, frozen=True):
    """A reply validated against its doc-record and the offer.

    A group without a legal split has None in `splits` and its reason and error in `faults`.
    `drafts` and `bad_slots` are by slot index; the latter holds the reason and an error message per
    declined or malformed slot, and `named` the unit that a malformed one names. `unplaced`: errors
    of probes whose slot was not offered or is not known. `flags`: warnings about the rationales.
    """

    sibling: ShownSibling
    splits: Splits
    split_tokens: Splits
    faults: dict[Group, tuple[str, str]]
    sibling_rationale: str | None
    split_rationale: str | None
    drafts: dict[int, Draft]
    bad_slots: dict[int, tuple[str, str]]
    named: dict[int, str | None]
    unplaced: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()


def interpret(
    value: object, record: DocRecord, offer: Offer, damages: Sequence[tuple[str, str]] = ()
) -> Parsed | str:
    """Validate a decoded reply against its doc-record; a str is the error of an unusable reply.

    `damages`: raw texts of probes that could not be read, each with the error.
    """
    have = ", ".join(s.letter for s in record.shown)
    try:
        head = Head.model_validate(value)
    except ValidationError as error:
        return f"{errors(error)} (siblings: {have})"
    chosen = next((s for s in record.shown if s.letter == head.sibling.upper()), None)
    if chosen is None:
        return f"sibling {head.sibling[:_GIVEN]!r} was not shown (legal: {have})"
    splits, split_tokens, faults = _splits(head.splits, chosen, offer)
    items = _Items({slot.index for slot in offer.slots}, chosen.text)
    items.damaged(damages)
    for item in head.probes:
        items.add(item)
    rationales: list[str | None] = []
    flags: set[str] = set()
    for name in _RATIONALES:
        note, dropped = _note(value.get(name) if isinstance(value, dict) else None)
        rationales.append(unescape(note, chosen.text) if note else None)
        flags |= {DROPPED} if dropped else set()
    return Parsed(
        chosen,
        splits,
        split_tokens,
        faults,
        rationales[0],
        rationales[1],
        items.drafts,
        items.bad,
        items.named,
        tuple(items.unplaced),
        tuple(sorted(flags)),
    )


def unescape(text: str, source: str) -> str:
    """Replace HTML entities once, except those that the source text itself holds."""
    return _ENTITY.sub(lambda e: e[0] if e[0] in source else _ENTITIES[e[1]], text)


def errors(error: ValidationError) -> str:
    """Format all errors of a validation in one line, each with the value that was given."""
    parts = []
    for each in error.errors(include_url=False):
        place = ".".join(str(part) for part in each["loc"]) or "reply"
        message = f"{place}: {each['msg'][:1].lower()}{each['msg'][1:]}"
        given = ascii(each["input"])[:_GIVEN]
        parts.append(message if each["type"] == "missing" else f"{message}, not {given}")
    return "; ".join(parts)


def _splits(
    given: Mapping[str, object], sibling: ShownSibling, offer: Offer
) -> tuple[Splits, Splits, dict[Group, tuple[str, str]]]:
    places = {boundary.id: boundary for boundary in sibling.boundaries}
    offsets: dict[Group, int | None] = dict.fromkeys(GROUPS)
    tokens: dict[Group, int | None] = dict.fromkeys(GROUPS)
    faults: dict[Group, tuple[str, str]] = {}
    for group, by_letter in offer.places.items():
        legal = by_letter[sibling.letter]
        fault = _split_fault(_id(given.get(group)), sibling, [*places], legal)
        if fault is not None:
            reason, error = fault
            listed = ids.listed(legal, [*places]) or "none"
            faults[group] = reason, f"{error}; legal {group} splits of {sibling.letter}: {listed}"
        else:
            place = places[str(_id(given[group]))]
            offsets[group], tokens[group] = place.offset, place.tokens
    return _by_group(offsets), _by_group(tokens), faults


def _split_fault(
    name: object, sibling: ShownSibling, places: Sequence[str], legal: Sequence[str]
) -> tuple[str, str] | None:
    """Return the reason and error of a named split; None for a legal one."""
    if name in legal:
        return None
    if not legal:
        return "no_split_place", f"sibling {sibling.letter} has no place"
    if name is None:
        return "split_not_given", "the reply gives no split"
    if not isinstance(name, str):
        return "split_unknown_id", f"{ascii(name)[:_GIVEN]} is not an id"
    kind, letter = ids.kind_of(name), ids.sibling_of(name)
    error = ids.described(name[:_GIVEN])
    if kind not in (None, "split"):
        return "split_wrong_kind", f"{error}, not a split"
    if kind is not None and letter != sibling.letter:
        return "split_other_sibling", f"{error}, but the reply chose {sibling.letter}"
    if name in places:
        return "split_not_legal", f"{name} does not serve this group"
    return "split_unknown_id", error if kind is None else f"{name} was not offered"


def _by_group(numbers: dict[Group, int | None]) -> Splits:
    return Splits(*(numbers[group] for group in GROUPS))


class _Items:
    """The probes of a reply by slot. `slots`: the indices of the offered slots."""

    def __init__(self, slots: set[int], source: str) -> None:
        self._slots = slots
        self._source = source
        self.drafts: dict[int, Draft] = {}
        self.bad: dict[int, tuple[str, str]] = {}
        self.named: dict[int, str | None] = {}
        self.unplaced: list[str] = []

    def damaged(self, damages: Sequence[tuple[str, str]]) -> None:
        """Reject the slots that the texts of damaged probes name."""
        for text, error in damages:
            numbers = {int(found[1]) for found in _SLOT.finditer(text)} & self._slots
            self.bad |= dict.fromkeys(numbers, ("slot_unparsed", error))
            self.unplaced += [] if numbers else [error]

    def add(self, item: object) -> None:
        """Read one probe; a slot that has two is malformed."""
        number = _number(item.get("slot")) if isinstance(item, dict) else None
        if not isinstance(item, dict) or type(number) is not int:
            self.unplaced.append(f"a probe without a slot number: {ascii(item)[:_GIVEN]}")
        elif number not in self._slots:
            listed = ", ".join(map(str, sorted(self._slots)))
            given = ascii(number)[:_DIGITS]
            self.unplaced.append(f"a probe for slot {given}, which was not sent ({listed})")
        elif number in self.drafts or number in self.bad:
            reason = self.bad.get(number, ("slot_invalid", ""))[0]
            if reason in ("slot_invalid", "slot_declined"):
                self.bad[number] = "slot_invalid", "the reply has this slot twice"
            self.drafts.pop(number, None)
        else:
            self._read(number, item)

    def _read(self, number: int, item: dict[str, object]) -> None:
        declined = _nothing(item.get("decline"))
        if declined not in (None, False):
            self.bad[number] = (
                "slot_declined",
                ascii(declined) if declined is True else str(declined),
            )
            return
        try:
            self.drafts[number] = Draft.model_validate(item).unescaped(self._source)
        except ValidationError as error:
            unit = _id(item.get("unit"))
            self.named[number] = unit if unit is None or isinstance(unit, str) else ascii(unit)[:80]
            self.bad[number] = "slot_invalid", errors(error)
