"""A sibling as the generator sees it: numbered units it may choose, numbered places to split.

A language model never emits character offsets: it answers with these ids, and the compiler turns
them back into offsets. Every offered place is a clean token boundary of the source tokenizer, has
its margins, and lies in generated text.
"""

from __future__ import annotations

import unicodedata
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence

from compiler.probes import segment
from compiler.probes.sampling import Stream
from compiler.probes.segment import Gap, Segments, Span
from compiler.probes.tokens import Tokens
from compiler.records import GROUPS, Boundary, Group, ShownSibling, Unit
from compiler.spec.model import AtomRules, SplitRules, WrittenScope
from compiler.words import spans_of


def annotate(
    idx: int,
    segments: Segments,
    gen_start: int,
    tokens: Tokens,
    rules: SplitRules,
    scopes: Sequence[WrittenScope],
    seed: int,
) -> ShownSibling:
    """Number the eligible units and the legal split places of one sibling."""
    units = _units(segments, scopes)
    boundaries = _boundaries(segments, gen_start, tokens, rules, seed)
    return ShownSibling(idx, segments.text, tuple(units), tuple(boundaries))


def fits(segments: Segments, span: Span, rules: AtomRules) -> bool:
    """Whether a span is as large as an atom must be, and no larger than it may be."""
    return (
        rules.min_chars <= span.end - span.start <= rules.max_chars
        and segment.word_count(segments.text, span.start, span.end) >= rules.min_words
        and len(segments.sentences_in(span)) >= rules.min_sentences
    )


def _units(segments: Segments, scopes: Sequence[WrittenScope]) -> list[Unit]:
    text = segments.text
    units: list[Unit] = []
    sentence_rules = [scope.atom for scope in scopes if scope.unit == "sentence"]
    paragraph_rules = [scope.atom for scope in scopes if scope.unit == "paragraph"]
    prosaic = [segment.is_prose(text[s.start : s.end]) for s in segments.sentences]
    for number, span in enumerate(segments.sentences, start=1):
        if (
            prosaic[number - 1]
            and text.count(text[span.start : span.end]) == 1
            and any(fits(segments, span, rules) for rules in sentence_rules)
        ):
            units.append(Unit(f"s{number}", "sentence", span.start, span.end))
    for number, span in enumerate(segments.paragraphs, start=1):
        inside = segments.numbers_in(span)
        prose = sum(prosaic[inside.start : inside.stop])
        whole = segment.ends_sentence(text[span.start : span.end])
        if (
            whole
            and prose >= 2
            and prose * 2 >= len(inside)
            and text.count(text[span.start : span.end]) == 1
            and any(fits(segments, span, rules) for rules in paragraph_rules)
        ):
            units.append(Unit(f"p{number}", "paragraph", span.start, span.end))
    return units


def _boundaries(
    segments: Segments, gen_start: int, tokens: Tokens, rules: SplitRules, seed: int
) -> list[Boundary]:
    text = segments.text
    size = len(text)
    margin = max(rules.margin_chars, round(rules.margin_share * size))
    low, high = margin, size - margin
    if rules.suffix_in_generated:
        low = max(low, gen_start)
    whole = round(rules.whole_share * size)
    groups: dict[int, set[Group]] = {}
    paragraph_gaps = set(segments.paragraph_gaps())
    for gap in segments.sentence_gaps():
        offset = clean_place(text, gap, tokens)
        if offset is None or not low <= offset <= high:
            continue
        legal = groups.setdefault(offset, set())
        legal.update(("word_lens", "sentence"))
        if gap in paragraph_gaps:
            legal.add("paragraph")
            if whole <= offset <= size - whole:
                legal.add("whole")
    for offset in _word_places(segments, tokens, rules, seed, low, high):
        groups.setdefault(offset, set()).add("word_lens")
    return [
        Boundary(
            f"b{number}",
            offset,
            tokens.count_before(offset),
            tuple(g for g in GROUPS if g in groups[offset]),
        )
        for number, offset in enumerate(sorted(groups), start=1)
    ]


def clean_place(text: str, gap: Gap, tokens: Tokens) -> int | None:
    """Where to split in a gap so that no token is cut, or None.

    On byte-level BPE a space belongs to the word after it and a newline to what is before it, so a
    gap with a newline is split at its end and any other at its start, if the tokenizer agrees.
    """
    newline = "\n" in text[gap.start : gap.end]
    order = range(gap.end, gap.start - 1, -1) if newline else range(gap.start, gap.end + 1)
    return next((offset for offset in order if tokens.is_clean(offset)), None)


def _word_places(
    segments: Segments, tokens: Tokens, rules: SplitRules, seed: int, low: int, high: int
) -> Iterator[int]:
    """Places between two words of a sentence, drawn at random, as many as are offered."""
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
    """Whether a gap between words is nothing but space between two letters of one sentence."""
    text = segments.text
    if not text[gap.start : gap.end].isspace() or not text[gap.end].isalpha():
        return False
    before = text[gap.start - 1]
    return (before.isalpha() or unicodedata.category(before)[0] == "M") and segments.within(gap)


def marked(sibling: ShownSibling, gen_start: int) -> str:
    """The text of a sibling with its ids as tags; `docs/prompts.md` documents them.

    Text is escaped (&amp; &lt; &gt;), so that HTML left in a source cannot be taken for a tag.
    """
    # At one offset: close inner before outer, then the split place, then open outer before inner.
    marks: list[tuple[int, int, str]] = [(gen_start, 3, "<generated/>")]
    for unit in sibling.units:
        tag = unit.kind[0]
        inner = tag == "s"
        marks.append((unit.start, 6 if inner else 5, f'<{tag} id="{unit.id}">'))
        marks.append((unit.end, 1 if inner else 2, f"</{tag}>"))
    for place in sibling.boundaries:
        groups = " ".join(place.groups)
        marks.append((place.offset, 4, f'<b id="{place.id}" for="{groups}"/>'))
    out: list[str] = []
    at = 0
    for offset, _, tag in sorted(marks):
        out.append(escape(sibling.text[at:offset]))
        out.append(tag)
        at = offset
    out.append(escape(sibling.text[at:]))
    return "".join(out)


def escape(text: str) -> str:
    """Text as it stands inside a tag."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
