"""Inputs, random draws and finished probes shared by the templated scopes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from msgspec import Struct, field

from compiler.probes.sampling import Stream
from compiler.probes.segment import Span, word_count
from compiler.records import DocTexts, Probe, Reject, Side, Slot

if TYPE_CHECKING:
    from compiler.probes.alternatives import Pool
    from compiler.probes.collocations import Place
    from compiler.probes.places import Places
    from compiler.probes.siblings import Siblings
    from compiler.probes.tokens import Tokenizer, Tokens


class Workbench(Struct):
    """The inputs of a templated scope: a doc-record with its chosen text, split, tokens and pool.

    `phrasings` renders a scope's template to one question per line. `words` caches the words of a
    side that may be atoms, with their index; `used` holds the atoms of earlier slots of the scope
    in this document.
    """

    record: DocTexts
    sibling: int
    text: str
    split: int
    places: Places
    tokens: Tokens
    tokenizer: Tokenizer
    pool: Pool
    siblings: Siblings
    phrasings: Callable[[str, Side, int], list[str]]
    words: dict[Side, list[tuple[int, Span]]] = field(default_factory=dict)
    used: set[tuple[str, int, int]] = field(default_factory=set)

    def stream(self, slot: Slot, purpose: str) -> Stream:
        """Return the draws of one slot for one purpose."""
        return Stream(self.record.row_seed, self.record.doc_id, slot.index, purpose)

    def other_side(self, target: Side) -> tuple[int, int]:
        """Return the offsets of the complement of a target side."""
        return (self.split, len(self.text)) if target == "prefix" else (0, self.split)

    def place(self, start: int, end: int) -> Place:
        """Return the place of a word in the text."""
        from compiler.probes.collocations import Place, after, before

        return Place(before(self.text, start), after(self.text, end))

    def is_generated(self, start: int) -> bool:
        """Return whether an atom that starts at an offset is text of the source model only."""
        return start >= self.record.gen_start

    def reject(self, slot: Slot, reason: str, detail: str) -> Reject:
        """Return the slot's entry in the ledger."""
        record = self.record
        return Reject(record.round, record.doc_id, slot.index, slot.scope, "expand", reason, detail)

    def question(self, slot: Slot, distance: int) -> tuple[str, str]:
        """Draw a phrasing for the slot; return it and its template id."""
        lines = self.phrasings(slot.scope, slot.target, distance)
        number = self.stream(slot, "phrasing").below(len(lines))
        return lines[number], f"{slot.scope}/{slot.target}/{number}"

    def probe(
        self,
        slot: Slot,
        start: int,
        end: int,
        index: int,
        alternative: tuple[str, int, int],
        n_tokens: int | None,
    ) -> Probe:
        """Build the probe on the atom `start`..`end`; `alternative`: (text, level, pool size)."""
        question, template_id = self.question(slot, index)
        atom = self.text[start:end]
        sign = 1 if slot.target == "suffix" else -1
        between = (
            word_count(self.text, self.split, start)
            if slot.target == "suffix"
            else word_count(self.text, end, self.split)
        )
        text, level, size = alternative
        return Probe(
            doc_id=self.record.doc_id,
            slot=slot.index,
            scope=slot.scope,
            target=slot.target,
            atom_start=start,
            atom_end=end,
            question=question,
            response=atom,
            alternative=text,
            typicality=None,
            abs_index=index,
            signed_index=sign * index,
            hint=sign * slot.hint if slot.hint is not None else None,
            word_distance=sign * between,
            synergy=None,
            distribution=None,
            difficulty=None,
            n_tokens=n_tokens,
            tokenizer=self.tokenizer.identity if n_tokens is not None else None,
            template_id=template_id,
            pool_level=level,
            pool_size=size,
            support=None,
            flags=(),
        )
