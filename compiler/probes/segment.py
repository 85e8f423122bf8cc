"""Paragraphs, sentences and words with exact character spans.

Sentences come from sentencex; this module adds what web text needs around it: paragraph blocks by
region (web extraction writes one newline per paragraph, language models write blank lines), list
items and headings as breaks of their own, and trimmed spans. The segmenter's name and version are
part of what a step depends on (`IDENTITY`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from importlib.metadata import version
from itertools import islice, pairwise, starmap
from typing import NamedTuple

import regex
import sentencex

from compiler.records import Side
from compiler.words import Chunks, count_between, is_content, spans_between

IDENTITY = f"sentencex-{version('sentencex')}/rules-2"

MAX_INDEX = 63
"""How far from its split a templated atom may be."""

_NEWLINES = regex.compile(r"\n\s*")
_LIST_ITEM = regex.compile(r"(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_HEADING = regex.compile(r"#{1,6}\s|={2,}|[-_*]{3,}\s*$|\|")
_TERMINAL = tuple(".!?…。！？")
_CLOSING = "\"'”’»)]）」』*_"
# Whitespace as expressions know it; `str.rstrip` takes four control characters more.
_SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f")
_END = _SPACES + _CLOSING + "".join(_TERMINAL)
_BLANKS = _SPACES.replace("\n", "")
_MARKUP = regex.compile(r"</?[A-Za-z][^<>]*>|&[a-z]{2,6};|\{\{|\}\}|\[\[|https?://|```")
# A sentence that ends inside another one, as in a quotation of several; "Dr. Smith" is none.
_INNER_END = regex.compile(
    r"(?:(?<!\b\p{L}{1,3})\.|[!?…])[\"”’)]*\s+[\"“‘(]*\p{Lu}(?:\p{Ll}|\s)", regex.VERSION1
)
_ENUMERATOR = regex.compile(
    r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]|(?:Chapter|Section|Part)\s\w{1,5}\."
)
_NUMBERED = regex.compile(
    r"\b(?:vols?|pp?|nos?|figs?|secs?|chaps?|ch|arts?|paras?|eqs?|nn?|ll?|cf|ca|approx)\.$",
    regex.IGNORECASE,
)
_VERBLIKE = regex.compile(
    r"\b(?:is|are|was|were|be|been|being|has|have|had|do|does|did|will|would|shall|should|can|could"
    r"|may|might|must|said|went|came|saw|made|took|gave|got|knew|thought|told|found|left|felt|kept"
    r"|held|stood|began|ran|wrote|grew|fell|led|lay|met|put|set|let|cut|built|sent|spent|lost|won"
    r"|\p{L}{2,}(?:ed|es|ing|s|en))\b|[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}]",
    regex.IGNORECASE,
)


class Span(NamedTuple):
    """Characters `start` to `end` of a text, trimmed of whitespace, never empty."""

    start: int
    end: int


class Gap(NamedTuple):
    """Whitespace between two units: characters `start` to `end`, possibly none."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Segments:
    """The structure of one text. Sentences never cross a paragraph."""

    text: str
    paragraphs: tuple[Span, ...]
    sentences: tuple[Span, ...]
    # Where sentences start and end, for searching.
    _starts: list[int] = field(init=False, repr=False, compare=False)
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Lists what is searched."""
        object.__setattr__(self, "_starts", [span.start for span in self.sentences])
        object.__setattr__(self, "_ends", [span.end for span in self.sentences])

    def sentence_gaps(self) -> list[Gap]:
        """Gaps between neighbouring sentences, those between paragraphs included."""
        return [*starmap(Gap, zip(self._ends, self._starts[1:], strict=False))]

    def paragraph_gaps(self) -> list[Gap]:
        """Gaps between neighbouring paragraphs."""
        return [Gap(left.end, right.start) for left, right in pairwise(self.paragraphs)]

    def within(self, gap: Gap) -> bool:
        """Whether a gap lies inside a sentence."""
        place = bisect_right(self._starts, gap.start) - 1
        return place >= 0 and gap.end <= self._ends[place]

    def numbers_in(self, span: Span) -> range:
        """The places in `sentences` of those that lie within a span."""
        # Sentences are in order and do not overlap.
        first = bisect_left(self._starts, span.start)
        return range(first, bisect_right(self._ends, span.end, first))

    def sentences_in(self, span: Span) -> list[Span]:
        """The sentences that lie within a span."""
        return [self.sentences[number] for number in self.numbers_in(span)]


def segment(text: str, gen_start: int, language: str = "en") -> Segments:
    """Paragraphs and sentences of a text whose generated part starts at `gen_start`."""
    paragraphs = _paragraphs(text, gen_start)
    sentences = [
        sentence for paragraph in paragraphs for sentence in _sentences(text, paragraph, language)
    ]
    return Segments(text, tuple(paragraphs), tuple(sentences))


def word_count(text: str, start: int = 0, end: int | None = None) -> int:
    """How many words and numbers lie between two offsets."""
    return count_between(text, start, len(text) if end is None else end)


# Every slot of a document looks at the same two sides, and every check does again.
@lru_cache(maxsize=16)
def content_words(text: str, split: int, target: Side) -> list[Span]:
    """The content words of one side of a split, counted outward: the nearest `MAX_INDEX`."""
    low, high = (0, split) if target == "prefix" else (split, len(text))
    starts, ends = spans_between(text, low, high)
    outward = range(len(starts))
    found = (
        Span(starts[number], ends[number])
        for number in (reversed(outward) if target == "prefix" else outward)
        if is_content(text[starts[number] : ends[number]])
    )
    return list(islice(found, MAX_INDEX))


def ends_sentence(text: str) -> bool:
    """Whether a text ends in terminal punctuation, closing quotes and brackets aside."""
    return text.rstrip(_SPACES).rstrip(_CLOSING).endswith(_TERMINAL)


# Siblings begin alike.
@lru_cache(maxsize=256)
def is_prose(text: str) -> bool:
    """Whether a sentence can be an atom: one sentence with a verb-like word, no markup or code."""
    return (
        ends_sentence(text)
        # Expressions are slow to find nothing: each is asked only where it may find something.
        and not (_may_hold_markup(text) and _MARKUP.search(text))
        and any(map(_verblike.__getitem__, text.split()))
        and not (_may_be_marked(text) and (_LIST_ITEM.match(text) or _HEADING.match(text)))
        and not (_ends_within(text) and _INNER_END.search(text))
    )


def _may_hold_markup(text: str) -> bool:
    return (
        "<" in text
        or "&" in text
        or "{" in text
        or "}" in text
        or "[" in text
        or "]" in text
        or "`" in text
        or "http" in text
    )


def _may_be_marked(text: str) -> bool:
    """Whether a text may begin as a list item or a heading: with no letter, or as `a)`."""
    return not text[0].isalpha() or text[1:2] in (".", ")")


# Whether a verb-like word stands in a chunk.
_verblike = Chunks(lambda chunk: _VERBLIKE.search(chunk) is not None)


def _ends_within(text: str) -> bool:
    body = text.rstrip(_END)
    return "." in body or "!" in body or "?" in body or "…" in body


def _trim(text: str, start: int, end: int) -> Span | None:
    while start < end and text[start].isspace():
        start += 1
    while end > start and text[end - 1].isspace():
        end -= 1
    return Span(start, end) if start < end else None


def _paragraphs(text: str, gen_start: int) -> list[Span]:
    gaps = list(_line_ends(text))
    # A region that has blank lines marks its paragraphs with them; one that has none uses newlines.
    blank = {False: False, True: False}
    for start, _, lines in gaps:
        if lines > 1:
            blank[start >= gen_start] = True
    found: list[Span] = []
    at = 0
    for start, end, lines in gaps:
        if lines > 1 or (not blank[start >= gen_start] and not _wrapped(text, start, end)):
            span = _trim(text, at, start)
            at = end
            if span is not None:
                found.append(span)
    span = _trim(text, at, len(text))
    return [*found, span] if span is not None else found


def _line_ends(text: str) -> Iterator[tuple[int, int, int]]:
    """Whitespace with newlines in it: start, end, and how many newlines."""
    for match in _NEWLINES.finditer(text):
        start, end = match.span()
        while start and text[start - 1] in _BLANKS:
            start -= 1
        yield start, end, match.group().count("\n")


def _wrapped(text: str, end: int, start: int) -> bool:
    """Whether a line that ends at `end` goes on at `start` in the middle of a sentence."""
    return text[start : start + 1].islower() and not ends_sentence(text[max(0, end - 8) : end])


def _sentences(text: str, paragraph: Span, language: str) -> list[Span]:
    found: list[Span] = []
    for block in _blocks(text, paragraph):
        piece = text[block.start : block.end]
        for boundary in sentencex.get_sentence_boundaries(language, piece):
            start = block.start + boundary["start_index"]
            span = _trim(text, start, block.start + boundary["end_index"])
            if span is None:
                continue
            if found and found[-1].start >= block.start and _continues(text, found[-1], span):
                span = Span(found.pop().start, span.end)
            found.append(span)
    return found


def _continues(text: str, left: Span, right: Span) -> bool:
    """Whether a boundary is none: after a list number, or an abbreviation before a number."""
    line = text[left.start : left.end]
    return _ENUMERATOR.fullmatch(line) is not None or (
        text[right.start].isdigit() and _NUMBERED.search(line) is not None
    )


def _blocks(text: str, paragraph: Span) -> list[Span]:
    """Lines of a paragraph, joined where a newline is only a wrapped line."""
    found: list[Span] = []
    start = at = paragraph.start
    while at < paragraph.end:
        newline = text.find("\n", at, paragraph.end)
        if newline < 0:
            break
        line, rest = text[at:newline].strip(), text[newline + 1 : paragraph.end].lstrip()
        if _breaks(line, rest):
            span = _trim(text, start, newline)
            if span is not None:
                found.append(span)
            start = newline + 1
        at = newline + 1
    span = _trim(text, start, paragraph.end)
    return [*found, span] if span is not None else found


def _breaks(line: str, rest: str) -> bool:
    if _LIST_ITEM.match(rest) or _HEADING.match(rest) or _HEADING.match(line):
        return True
    short = len(line) < 60 and not ends_sentence(line)
    return (short or _LIST_ITEM.match(line) is not None) and rest[:1].isupper()
