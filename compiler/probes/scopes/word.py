"""The word scope: one content word, k content words away from the split.

The word stands nowhere in the complement, not even in another inflection, so reading cannot find
it. `abs_index` counts content words outward from the split, 1 = the nearest.
"""

from __future__ import annotations

import regex

from compiler.probes.sampling import nearest
from compiler.probes.scopes.template import Workbench
from compiler.probes.segment import Span, words
from compiler.records import Probe, Reject, Slot
from compiler.words import is_content, stem, stems

# Scripts that do not put spaces between words: a run of letters there is no word.
_UNSPACED = regex.compile(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_MAX_INDEX = 63


def build(slot: Slot, bench: Workbench) -> Probe | Reject:
    """The probe of one word slot, or why there is none."""
    complement = stems(bench.side("suffix" if slot.target == "prefix" else "prefix"))
    feasible: dict[int, Span] = {}
    for index, span in enumerate(_outward(slot, bench), start=1):
        if index > _MAX_INDEX:
            break
        found_stem = stem(bench.text[span.start : span.end])
        if found_stem not in complement and (slot.scope, span.start, span.end) not in bench.used:
            feasible[index] = span
    while (found := nearest(feasible, slot.hint or 1)) is not None:
        index, span = found
        atom = bench.text[span.start : span.end]
        question, _ = bench.question(slot, index)
        alternative = bench.pool.word(
            atom, question, bench.record.doc_id, bench.stems, bench.stream(slot, "alternative")
        )
        if alternative is None or stem(atom) in stems(question):
            del feasible[index]
            continue
        bench.used.add((slot.scope, span.start, span.end))
        return bench.probe(slot, span.start, span.end, index, alternative, None)
    reason = "no_alternative" if _outward(slot, bench) else "no_word"
    return bench.reject(slot, reason, f"{slot.target} side at {bench.split}")


def _outward(slot: Slot, bench: Workbench) -> list[Span]:
    low, high = (0, bench.split) if slot.target == "prefix" else (bench.split, len(bench.text))
    spans = [
        span
        for span in words(bench.text, low, high)
        if is_content(word := bench.text[span.start : span.end])
        and _UNSPACED.search(word) is None
        and not _within_markup(bench.text, span)
    ]
    return spans[::-1] if slot.target == "prefix" else spans


def _within_markup(text: str, span: Span) -> bool:
    before, after = text[max(0, span.start - 1) : span.start], text[span.end : span.end + 1]
    return before in ("<", "/", "&", "@", "_", "\\") or after in (">", ";@_/\\"[:1], "_", "@", "/")
