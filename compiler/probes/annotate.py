"""Siblings as the generator sees them, with numbered units and numbered split places.

The language model never emits character offsets: it answers with these ids, which the compiler
turns into offsets. Every offered place is a clean token boundary of the source tokenizer, keeps the
margins, and with `suffix_in_generated` lies in generated text.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterator, Sequence
from functools import cache

from compiler.probes import ids, segment
from compiler.probes.sampling import Stream
from compiler.probes.segment import Gap, Segments, Span
from compiler.probes.tokens import Tokens
from compiler.probes.units import UNITS
from compiler.records import GROUPS, Boundary, ShownSibling, Unit
from compiler.spec.model import AtomRules, SplitRules, WrittenScope
from compiler.words import sizes_between, spans_of

# Units of a kind are within units of the kinds behind it, where both have an edge at one offset.
_DEPTHS = {kind: depth for depth, kind in enumerate(UNITS)}
_NESTED = tuple(GROUPS[:count] for count in range(len(GROUPS) + 1))


def annotate(
    idx: int,
    letter: str,
    segments: Segments,
    gen_start: int,
    tokens: Tokens,
    rules: SplitRules,
    scopes: Sequence[WrittenScope],
    seed: int,
) -> ShownSibling:
    """Number the eligible units and the legal split places of one sibling."""
    units = _units(letter, segments, scopes)
    boundaries = _boundaries(letter, segments, gen_start, tokens, rules, seed)
    return ShownSibling(idx, letter, segments.text, tuple(units), tuple(boundaries))


def _units(letter: str, segments: Segments, scopes: Sequence[WrittenScope]) -> list[Unit]:
    text = segments.text

    @cache
    def prosaic(number: int) -> bool:
        span = segments.sentences[number]
        return segment.is_prose(text[span.start : span.end])

    found: list[Unit] = []
    for kind, unit in UNITS.items():
        rules = [scope.atom for scope in scopes if scope.unit == kind]
        fitting = _fitting(segments, unit.spans(segments), rules) if rules else []
        eligible = (
            span
            for span in fitting
            if unit.eligible(segments, span, prosaic)
            and text.count(text[span.start : span.end]) == 1
        )
        found += [
            Unit(ids.make(letter, kind, number), kind, span.start, span.end)
            for number, span in enumerate(eligible, start=1)
        ]
    return found


def _fitting(segments: Segments, spans: Sequence[Span], rules: Sequence[AtomRules]) -> list[Span]:
    """Return the spans whose size some scope's rules allow."""
    words = sizes_between(segments.text, spans)
    found: list[Span] = []
    for span, count in zip(spans, words, strict=True):
        size = span.end - span.start
        for rule in rules:
            if (
                rule.min_chars <= size <= rule.max_chars
                and count >= rule.min_words
                and len(segments.numbers_in(span)) >= rule.min_sentences
            ):
                found.append(span)
                break
    return found


def _boundaries(
    letter: str, segments: Segments, gen_start: int, tokens: Tokens, rules: SplitRules, seed: int
) -> list[Boundary]:
    text = segments.text
    size = len(text)
    margin = max(rules.margin_chars, round(rules.margin_share * size))
    low, high = margin, size - margin
    if rules.suffix_in_generated:
        low = max(low, gen_start)
    whole = round(rules.whole_share * size)
    # Offset -> how many of GROUPS, from the first, may split there.
    legal: dict[int, int] = {}
    paragraph_gaps = set(segments.paragraph_gaps())
    for gap in segments.sentence_gaps():
        offset = clean_place(text, gap, tokens)
        if offset is None or not low <= offset <= high:
            continue
        legal[offset] = 2
        if gap in paragraph_gaps:
            legal[offset] = 4 if whole <= offset <= size - whole else 3
    for offset in _word_places(segments, tokens, rules, seed, low, high):
        legal.setdefault(offset, 1)
    starts = [span.start for span in segments.sentences]
    ends = [span.end for span in segments.sentences]
    return [
        Boundary(
            ids.make(letter, "split", number),
            offset,
            tokens.count_before(offset),
            (bisect_right(ends, offset), len(starts) - bisect_left(starts, offset)),
            _NESTED[legal[offset]],
        )
        for number, offset in enumerate(sorted(legal), start=1)
    ]


def clean_place(text: str, gap: Gap, tokens: Tokens) -> int | None:
    """Return the offset in a gap at which a split cuts no token, or None.

    In byte-level BPE a space belongs to the word after it and a newline to the text before it, so a
    gap with a newline is searched from its end and any other gap from its start.
    """
    newline = "\n" in text[gap.start : gap.end]
    order = range(gap.end, gap.start - 1, -1) if newline else range(gap.start, gap.end + 1)
    for offset in order:
        if tokens.is_clean(offset):
            return offset
    return None


def _word_places(
    segments: Segments, tokens: Tokens, rules: SplitRules, seed: int, low: int, high: int
) -> Iterator[int]:
    """Yield randomly drawn places between two words of a sentence, at most `word_candidates`."""
    starts, ends = spans_of(segments.text)
    first, last = bisect_left(starts, low), bisect_right(ends, high)
    stream = Stream(seed, "word_place")
    found = 0
    for number in map(first.__add__, stream.order(last - first - 1)):
        gap = Gap(ends[number], starts[number + 1])
        place = clean_place(segments.text, gap, tokens) if _parts(segments, gap) else None
        if place is not None:
            yield place
            found += 1
            if found == rules.word_candidates:
                return


def _parts(segments: Segments, gap: Gap) -> bool:
    """Return whether a gap is only whitespace, between two letters of one sentence."""
    text = segments.text
    if not text[gap.start : gap.end].isspace() or not text[gap.end].isalpha():
        return False
    before = text[gap.start - 1]
    return (before.isalpha() or unicodedata.category(before)[0] == "M") and segments.within(gap)


def marked(sibling: ShownSibling, gen_start: int, offered: Collection[str]) -> str:
    """Return the text of a sibling with the offered ids as tags, as in `docs/prompts.md`.

    Text is escaped (&amp; &lt; &gt;), so that HTML in a source is not mistaken for a tag.
    """
    # At one offset: close inner before outer, then the split place, then open outer before inner.
    marks: list[tuple[int, int, int, str]] = [(gen_start, 1, 0, "<generated/>")]
    for unit in sibling.units:
        if unit.id in offered:
            depth = _DEPTHS[unit.kind]
            marks.append((unit.start, 3, -depth, f"<{unit.id}>"))
            marks.append((unit.end, 0, depth, f"</{unit.id}>"))
    for place in sibling.boundaries:
        if place.id in offered:
            marks.append((place.offset, 2, 0, f"<{place.id}/>"))
    out: list[str] = []
    at = 0
    for offset, _, _, tag in sorted(marks):
        out.append(escape(sibling.text[at:offset]))
        out.append(tag)
        at = offset
    out.append(escape(sibling.text[at:]))
    return "".join(out)


def escape(text: str) -> str:
    """Escape text for use inside a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
