"""The word scope: one content word at a distance of k words from the split.

The word does not occur in the complement, not even in another inflection, so it cannot be read
there. `abs_index` counts every word outward from the split, 1 = the nearest.
"""

from __future__ import annotations

from compiler.patterns import pattern
from compiler.probes.sampling import nearest
from compiler.probes.scopes.template import Workbench
from compiler.probes.segment import Span, counted_words
from compiler.records import Probe, Reject, Side, Slot
from compiler.words import stem, stems

# Scripts without spaces between words, where a run of letters is not a word.
_UNSPACED = pattern(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")
_ADDRESS = pattern(r"\w://|\bwww\.", "IGNORECASE")


def build(slot: Slot, bench: Workbench) -> Probe | Reject:
    """Build the probe of one word slot, or its reject."""
    feasible = {
        index: span
        for index, span in _words(bench, slot.target)
        if (slot.scope, span.start, span.end) not in bench.used
    }
    some = bool(feasible)
    while (found := _preferred(feasible, slot, bench)) is not None:
        index, span = found
        atom = bench.text[span.start : span.end]
        question, _ = bench.question(slot, index)
        alternative = bench.pool.word(
            atom,
            bench.place(span.start, span.end),
            question,
            bench.record.doc_id,
            bench.siblings,
            bench.stream(slot, "alternative"),
        )
        if alternative is None or stem(atom) in stems(question):
            del feasible[index]
            continue
        bench.used.add((slot.scope, span.start, span.end))
        return bench.probe(slot, span.start, span.end, index, alternative, None)
    reason = "no_alternative" if some else "no_word"
    return bench.reject(slot, reason, f"{slot.target} side at {bench.split}")


def _preferred(feasible: dict[int, Span], slot: Slot, bench: Workbench) -> tuple[int, Span] | None:
    """Return the word nearest to the hint, of generated ones if there are any."""
    written = {n: span for n, span in feasible.items() if bench.is_generated(span.start)}
    return nearest(written or feasible, slot.hint or 1)


def _words(bench: Workbench, target: Side) -> list[tuple[int, Span]]:
    """Return the words of one side that may be atoms, with their index."""
    if target not in bench.words:
        text = bench.text
        found = counted_words(text, bench.split, target)
        roots = [stem(text[span.start : span.end]) for _, span in found]
        held = bench.places.held(roots, *bench.other_side(target)).tolist()
        bench.words[target] = [
            (index, span)
            for (index, span), read in zip(found, held, strict=True)
            if not read and _eligible(text, span)
        ]
    return bench.words[target]


def _eligible(text: str, span: Span) -> bool:
    """Return whether a content word may be an atom: outside markup, addresses, unspaced scripts."""
    before, after = text[max(0, span.start - 1) : span.start], text[span.end : span.end + 1]
    entity = before == "&" and after == ";"
    markup = before in ("<", "/", "@", "_", "\\") or after in (">", "/", "@", "_", "\\")
    if entity or markup:
        return False
    word = text[span.start : span.end]
    if not word.isascii() and _UNSPACED.search(word):
        return False
    return not _in_address(text, span)


def _in_address(text: str, span: Span) -> bool:
    """Return whether a word is part of `https://www.example.org` or `www.example.org`."""
    before = text[span.start - 1 : span.start]
    if (not before or before.isspace()) and text[span.end : span.end + 1] != ":":
        return False
    first = next((n for n in range(span.start, 0, -1) if text[n - 1].isspace()), 0)
    last = next((n for n in range(span.end, len(text)) if text[n].isspace()), len(text))
    return _ADDRESS.search(text, first, last) is not None
