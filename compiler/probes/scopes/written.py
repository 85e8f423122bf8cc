"""Written scopes: probes, or rejects with a reason, from the generator's drafts."""

from __future__ import annotations

from dataclasses import dataclass

from compiler.probes.checks import Facts, examine
from compiler.probes.lexicon import Lexicon
from compiler.probes.passages import Passages
from compiler.probes.reply import Draft, Parsed
from compiler.probes.segment import Segments, Span, segment, word_count
from compiler.probes.siblings import Siblings
from compiler.records import DocRecord, Probe, Reject, ShownSibling, Side, Slot
from compiler.spec.model import WrittenScope


@dataclass(frozen=True)
class Written:
    """The written probes of one doc-record, and the rejects of its other written slots."""

    probes: list[Probe]
    rejects: list[Reject]


def build(
    record: DocRecord,
    parsed: Parsed,
    scopes: dict[str, WrittenScope],
    *,
    suffix_in_generated: bool,
) -> Written:
    """Build and check the probe of every written slot of a reply."""
    builder = _Builder(record, parsed, suffix_in_generated)
    probes: list[Probe] = []
    rejects: list[Reject] = []
    for slot in record.slots:
        scope = scopes.get(slot.scope)
        if scope is None:
            continue
        made = builder.probe(slot, scope)
        if isinstance(made, Probe):
            probes.append(made)
        else:
            reason, detail = made
            rejects.append(
                Reject(
                    record.round, record.doc_id, slot.index, slot.scope, "finalize", reason, detail
                )
            )
    return Written(probes, rejects)


class _Builder:
    """The builder of written probes from one doc-record and the reply about it."""

    def __init__(self, record: DocRecord, parsed: Parsed, suffix_in_generated: bool) -> None:
        self._record = record
        self._parsed = parsed
        self._suffix_in_generated = suffix_in_generated
        self._segments: Segments = segment(parsed.sibling.text, record.gen_start)
        self._units = {unit.id: unit for unit in parsed.sibling.units}
        self._used: set[tuple[int, int]] = set()
        prefix = parsed.sibling.text[: record.gen_start]
        texts = [s.text for s in record.shown] + [prefix + s.continuation for s in record.others]
        self._place = texts.index(parsed.sibling.text)
        self._siblings = Siblings(texts, record.gen_start, Lexicon.current())
        self._passages = Passages(
            self._segments,
            [_offered(each) for each in record.shown if each.idx != parsed.sibling.idx],
        )
        self._alone = all(text == parsed.sibling.text for text in texts)

    def probe(self, slot: Slot, scope: WrittenScope) -> Probe | tuple[str, str]:
        """Build the probe of one slot, or return (reason, detail)."""
        parsed = self._parsed
        if scope.split in parsed.faults:
            offered = any(scope.split in b.groups for b in parsed.sibling.boundaries)
            reason = parsed.faults[scope.split] if offered else "no_split_place"
            return reason, f"{scope.split} split of sibling {parsed.sibling.idx}"
        if slot.index in parsed.bad_slots:
            return parsed.bad_slots[slot.index]
        draft = parsed.drafts.get(slot.index)
        if draft is None:
            return "slot_missing", "; ".join((f"slot {slot.index}", *parsed.unplaced))
        split = parsed.splits.of(scope.split)
        span = self._span(slot, scope, draft, split)
        if isinstance(span[0], str):
            return str(span[0]), str(span[1])
        start, end = int(span[0]), int(span[1])
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
        if findings and findings[0].check.severity == "error":
            return findings[0].check.reason, findings[0].detail
        self._used.add((start, end))
        flags = [finding.check.id for finding in findings]
        return probe.flagged(flags) if flags else probe

    def _span(
        self, slot: Slot, scope: WrittenScope, draft: Draft, split: int
    ) -> tuple[int, int] | tuple[str, str]:
        text = self._segments.text
        if scope.unit == "side":
            low, high = (0, split) if slot.target == "prefix" else (split, len(text))
            body = text[low:high]
            return low + len(body) - len(body.lstrip()), low + len(body.rstrip())
        unit = self._units.get(draft.unit or "")
        if unit is None:
            return "unit_unknown", f"unit {draft.unit!r}"
        if unit.kind != scope.unit:
            return "unit_wrong_kind", f"{unit.id} is a {unit.kind}"
        inside = unit.end <= split if slot.target == "prefix" else unit.start >= split
        if not inside:
            return "unit_wrong_side", f"{unit.id} at {unit.start}..{unit.end}, split {split}"
        if (unit.start, unit.end) in self._used:
            return "unit_reused", unit.id
        return unit.start, unit.end

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
            typicality=draft.typicality if suffix and len(self._record.shown) > 2 else None,
            abs_index=index,
            signed_index=sign * index if index is not None else None,
            hint=sign * slot.hint if slot.hint is not None else None,
            word_distance=sign * between,
            synergy=_stripped(draft.synergy_check),
            distribution=_stripped(draft.distribution_check) if suffix else None,
            difficulty=_stripped(draft.difficulty_check),
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


def _offered(sibling: ShownSibling) -> Segments:
    """Return the units that a sibling offers."""
    units = [(unit.kind, Span(unit.start, unit.end)) for unit in sibling.units]
    return Segments(
        sibling.text,
        tuple(span for kind, span in units if kind == "paragraph"),
        tuple(span for kind, span in units if kind == "sentence"),
    )


def index_of(
    unit: str, segments: Segments, target: Side, split: int, atom: tuple[int, int]
) -> int | None:
    """Count the units from the split to the atom, the atom included; None for a side."""
    if unit == "side":
        return None
    start, end = atom
    spans = segments.sentences if unit == "sentence" else segments.paragraphs
    if target == "suffix":
        return sum(split <= span.start <= start for span in spans)
    return sum(end <= span.end <= split for span in spans)


def _stripped(note: str | None) -> str | None:
    return note.strip() if note else None
