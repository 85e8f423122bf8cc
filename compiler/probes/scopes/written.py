"""Written scopes: probes, or rejects with a reason, from the generator's drafts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from compiler.probes import ids
from compiler.probes.checks import Facts, examine
from compiler.probes.lexicon import Lexicon
from compiler.probes.offer import Offer
from compiler.probes.passages import Offered, Passages, Text
from compiler.probes.reply import Draft, Parsed
from compiler.probes.segment import Segments, Span, segment, word_count
from compiler.probes.siblings import Siblings
from compiler.probes.units import SIDE, UNITS
from compiler.records import DocRecord, Probe, Reject, ShownSibling, Side, Slot, Unit
from compiler.spec.model import WrittenScope


@dataclass(frozen=True)
class Written:
    """The written probes of one doc-record, and the rejects of its other written slots."""

    probes: list[Probe]
    rejects: list[Reject]


def build(
    record: DocRecord,
    offer: Offer,
    parsed: Parsed,
    scopes: dict[str, WrittenScope],
    *,
    suffix_in_generated: bool,
) -> Written:
    """Build and check the probe of every offered slot of a reply."""
    builder = _Builder(record, offer, parsed, suffix_in_generated)
    probes: list[Probe] = []
    rejects: list[Reject] = []
    for slot in offer.slots:
        made = builder.probe(slot, scopes[slot.scope])
        if isinstance(made, Probe):
            probes.append(made)
        else:
            rejects.append(_reject(record, slot, made))
    return Written(probes, rejects)


def unfilled(record: DocRecord, offer: Offer, scopes: dict[str, WrittenScope]) -> list[Reject]:
    """Return the rejects of the written slots that no shown sibling can fill."""
    return [
        _reject(
            record,
            slot,
            [
                (
                    "no_unit",
                    f"no sibling has a {scopes[slot.scope].unit} {_BESIDE[slot.target]} a "
                    f"{scopes[slot.scope].split} split for this slot",
                )
            ],
        )
        for slot in offer.unfilled
    ]


_BESIDE: dict[Side, str] = {"prefix": "before", "suffix": "after"}
_LABELS: dict[str, Literal["typical", "atypical"]] = {"typical": "typical", "atypical": "atypical"}
# A reason of the ledger and the error.
_Fault = tuple[str, str]


def _reject(record: DocRecord, slot: Slot, faults: Sequence[_Fault]) -> Reject:
    """Return the reject of a slot: the reason of its first fault, and the errors of all."""
    detail = "; ".join(error for _, error in faults)
    return Reject(
        record.round, record.doc_id, slot.index, slot.scope, "finalize", faults[0][0], detail
    )


class _Builder:
    """The builder of written probes from one doc-record and the reply about it."""

    def __init__(
        self, record: DocRecord, offer: Offer, parsed: Parsed, suffix_in_generated: bool
    ) -> None:
        self._record = record
        self._offer = offer
        self._parsed = parsed
        self._suffix_in_generated = suffix_in_generated
        self._segments: Segments = segment(parsed.sibling.text, record.gen_start)
        self._units = {unit.id: unit for unit in parsed.sibling.units}
        self._used: dict[tuple[int, int], int] = {}
        prefix = parsed.sibling.text[: record.gen_start]
        texts = [s.text for s in record.shown] + [prefix + s.continuation for s in record.others]
        self._place = texts.index(parsed.sibling.text)
        lexicon = Lexicon.current()
        self._siblings = Siblings(texts, record.gen_start, lexicon)
        indexed = [
            Text(each.text, self._siblings.chunks(place), lexicon)
            for place, each in enumerate(record.shown)
        ]
        self._passages = Passages(
            self._segments,
            indexed[self._place],
            [
                _offered(each, text)
                for each, text in zip(record.shown, indexed, strict=True)
                if each.idx != parsed.sibling.idx
            ],
        )
        self._alone = all(text == parsed.sibling.text for text in texts)

    def probe(self, slot: Slot, scope: WrittenScope) -> Probe | list[_Fault]:
        """Build the probe of one slot, or return its faults."""
        faults = [*self._faults(slot, scope)]
        if faults:
            return faults
        draft = self._parsed.drafts[slot.index]
        split = self._parsed.splits.of(scope.split)
        start, end = self._span(slot, scope, draft, split)
        probe = self._draft(slot, scope, draft, split, start, end)
        facts = Facts(
            self._segments,
            self._siblings.places(self._place),
            self._record.gen_start,
            split,
            scope,
            self._siblings.squashed,
            len(self._record.shown) - 1,
            self._suffix_in_generated,
            passages=self._passages,
        )
        findings = examine(probe, facts)
        broken = [each for each in findings if each.check.severity == "error"]
        if broken:
            return [(each.check.reason, f"{each.check.id}: {each.detail}") for each in broken]
        self._used[start, end] = slot.index
        flags = {finding.check.id for finding in findings}
        flags |= {*draft.flags, *self._parsed.flags}
        return probe.flagged(sorted(flags)) if flags else probe

    def _faults(self, slot: Slot, scope: WrittenScope) -> Iterator[_Fault]:
        """Yield all faults that a slot has before its row is checked."""
        parsed, letter = self._parsed, self._parsed.sibling.letter
        bad = parsed.bad_slots.get(slot.index)
        if bad is not None and bad[0] == "slot_declined":
            yield bad
            return
        by_letter = self._offer.units[slot.index]
        if not by_letter[letter]:
            others = ", ".join(each for each, units in by_letter.items() if units)
            error = f"sibling {letter} has no {scope.unit} for this slot, but {others} has"
            yield "sibling_lacks_unit", error
        elif scope.split in parsed.faults:
            yield parsed.faults[scope.split]
        draft = parsed.drafts.get(slot.index)
        if bad is not None:
            yield bad
        elif draft is None:
            yield "slot_missing", "; ".join((f"no probe for slot {slot.index}", *parsed.unplaced))
        if draft is not None or slot.index in parsed.named:
            name = draft.unit if draft is not None else parsed.named[slot.index]
            fault = self._unit_fault(slot, scope, name)
            if fault is not None:
                yield (
                    fault[0],
                    f"{fault[1]}; legal units for slot {slot.index}: {self._legal(slot, scope)}",
                )
        if draft is not None and self._labelled(slot) and draft.typicality not in _LABELS:
            given = repr(draft.typicality) if draft.typicality else "none"
            yield "slot_invalid", f"typicality: {given}; legal: {', '.join(_LABELS)}"

    def _legal(self, slot: Slot, scope: WrittenScope) -> str:
        """List the units that a slot may take, at the chosen split if there is one."""
        legal = self._offer.units[slot.index][self._parsed.sibling.letter]
        split = self._parsed.splits.get(scope.split)
        if scope.unit == SIDE or not legal:
            return ", ".join(legal) or "none"
        if split is not None:
            legal = tuple(each for each in legal if self._beside(self._units[each], slot, split))
        return ids.listed(legal, [*self._units]) or f"none is {self._place_of(slot, split)}"

    def _place_of(self, slot: Slot, split: int | None) -> str:
        """Return the side of a slot as a phrase, such as "after A.split3"."""
        places = (each.id for each in self._parsed.sibling.boundaries if each.offset == split)
        return f"{_BESIDE[slot.target]} {next(places, 'the split')}"

    def _unit_fault(self, slot: Slot, scope: WrittenScope, name: str | None) -> _Fault | None:
        letter = self._parsed.sibling.letter
        if name is None:
            # A side needs no id.
            return None if scope.unit == SIDE else ("unit_not_given", "no unit is given")
        kind = ids.kind_of(name)
        error = ids.described(name[:80])
        if kind is None:
            return "unit_unknown", error
        if kind != scope.unit:
            return "unit_wrong_kind", f"{error}, not a {scope.unit}"
        if ids.sibling_of(name) != letter:
            return "unit_other_sibling", f"{error}, but the reply chose {letter}"
        if scope.unit == SIDE:
            return None
        unit = self._units.get(name)
        if unit is None:
            return "unit_unknown", f"{name} was not offered"
        split = self._parsed.splits.get(scope.split)
        beside = split is None or self._beside(unit, slot, split)
        if not beside or name not in self._offer.units[slot.index][letter]:
            return "unit_wrong_side", f"{name} is not {self._place_of(slot, split)}"
        other = self._used.get((unit.start, unit.end))
        return None if other is None else ("unit_reused", f"{name} is the unit of slot {other}")

    @staticmethod
    def _beside(unit: Unit, slot: Slot, split: int) -> bool:
        """Return whether a unit lies entirely on the target side of a split."""
        return unit.end <= split if slot.target == "prefix" else unit.start >= split

    def _labelled(self, slot: Slot) -> bool:
        """Return whether a slot has a typicality label."""
        return slot.target == "suffix" and len(self._record.shown) > 2

    def _span(self, slot: Slot, scope: WrittenScope, draft: Draft, split: int) -> tuple[int, int]:
        if scope.unit != SIDE:
            unit = self._units[draft.unit or ""]
            return unit.start, unit.end
        text = self._segments.text
        low, high = (0, split) if slot.target == "prefix" else (split, len(text))
        body = text[low:high]
        return low + len(body) - len(body.lstrip()), low + len(body.rstrip())

    def _draft(
        self, slot: Slot, scope: WrittenScope, draft: Draft, split: int, start: int, end: int
    ) -> Probe:
        suffix = slot.target == "suffix"
        sign = 1 if suffix else -1
        text = self._segments.text
        between = word_count(text, split, start) if suffix else word_count(text, end, split)
        index = index_of(scope.unit, self._segments, slot.target, split, (start, end))
        return Probe(
            doc_id=self._record.doc_id,
            slot=slot.index,
            scope=slot.scope,
            target=slot.target,
            atom_start=start,
            atom_end=end,
            question=draft.question.strip(),
            response=draft.answer.strip(),
            alternative=draft.alternative.strip(),
            typicality=_LABELS[draft.typicality or ""] if self._labelled(slot) else None,
            abs_index=index,
            signed_index=sign * index if index is not None else None,
            hint=sign * slot.hint if slot.hint is not None else None,
            word_distance=sign * between,
            synergy=draft.synergy_check,
            distribution=draft.distribution_check if suffix else None,
            difficulty=draft.difficulty_check,
            n_tokens=None,
            tokenizer=None,
            template_id=None,
            pool_level=None,
            pool_size=None,
            support=(
                self._siblings.support(text[start:end], self._place)
                if suffix and not self._alone
                else None
            ),
            flags=(),
        )


def _offered(sibling: ShownSibling, text: Text) -> Offered:
    """Return the units that a sibling offers."""
    found: dict[str, list[Span]] = {}
    for unit in sibling.units:
        found.setdefault(unit.kind, []).append(Span(unit.start, unit.end))
    return Offered(text, found)


def index_of(
    unit: str, segments: Segments, target: Side, split: int, atom: tuple[int, int]
) -> int | None:
    """Count the units from the split to the atom, the atom included; None for a side."""
    if unit == SIDE:
        return None
    start, end = atom
    spans = UNITS[unit].spans(segments)
    if target == "suffix":
        return sum(split <= span.start <= start for span in spans)
    return sum(end <= span.end <= split for span in spans)
