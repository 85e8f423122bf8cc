"""Segmentation into paragraphs, sentences and words with exact character spans.

Sentences come from sentencex; this module adds the rules that web text needs: paragraphs by region
(web extraction writes one newline per paragraph, language models write blank lines), breaks at list
items and headings, and trimmed spans. The segmenter's name and version (`identity`) are part of the
keys of the steps that use it.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache, lru_cache
from itertools import islice, pairwise, starmap
from typing import NamedTuple

from compiler.patterns import pattern
from compiler.records import Side
from compiler.words import count_between, is_content, size_between, spans_between


@cache
def identity() -> str:
    """Return the name and version of the segmenter, for the keys of steps."""
    from importlib.metadata import version

    return f"sentencex-{version('sentencex')}/rules-4"


MAX_INDEX = 63
"""Largest distance of a templated atom from its split."""

_RUN = pattern(r"\S+")
_RUN_BACKWARD = pattern(r"(?r)\S+")
_NEWLINES = pattern(r"\n\s*")
_LIST_ITEM = pattern(r"(?:[-*+•‣◦–]|\(?\d{1,3}[.)]|\(?[a-zA-Z][.)])\s+\S")
_HEADING = pattern(r"#{1,6}\s|={2,}|[-_*]{3,}\s*$|\|")
_TERMINAL = tuple(".!?…。！？؟۔।॥։።")
# Scripts that are written without a mark at the end of a sentence.
_UNMARKED = pattern(r"[\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]\s*$")
_LETTERS = pattern(r"[\p{L}\p{M}]")
_ASCII_SIGNS = bytes(code for code in range(128) if not chr(code).isalpha())
_LEAST_LETTERS, _FEWEST_WORDS = 0.6, 3
_CLOSING = "\"'”’»)]）」』*_"
MIDDLE, SENTENCE, LINE_END = range(3)
_ENDS = {MIDDLE: "within", SENTENCE: "sentence", LINE_END: "line"}
# The whitespace of expressions; `str.rstrip` also strips four control characters.
_SPACES = "".join(c for c in map(chr, range(0x3001)) if c.isspace() and not "\x1c" <= c <= "\x1f")
_END = _SPACES + _CLOSING + "".join(_TERMINAL)
_BLANKS = _SPACES.replace("\n", "")
_MARKUP = pattern(r"</?[A-Za-z][^<>]*>|&[a-z]{2,6};|\{\{|\}\}|\[\[|https?://|```")
# The end of a sentence inside a span, as in a quotation of several; not "Dr. Smith".
_INNER_END = pattern(
    r"(?:(?<!\b\p{L}{1,3})\.|[!?…])[\"”’)]*\s+[\"“‘(]*\p{Lu}(?:\p{Ll}|\s)", "VERSION1"
)
_ENUMERATOR = pattern(
    r"\(?(?:\d{1,3}|[A-Za-z]|[ivxIVX]{1,5})[.)]|(?:Chapter|Section|Part)\s\w{1,5}\."
)
_NUMBERED = pattern(
    r"\b(?:vols?|pp?|nos?|figs?|secs?|chaps?|ch|arts?|paras?|eqs?|nn?|ll?|cf|ca|approx)\.$",
    "IGNORECASE",
)
# Initials of a name before its surname, as in "A. M. Turing" or "K.-I. S. Tikhurin".
_INITIALS = pattern(r"(?:^|[\s(\[“\"'‘>])(?:\p{Lu}\.[\s-]*)+$")
# Abbreviations with the form of two initials that often end a sentence.
_DOTTED = pattern(r"(?:\d\s*|\b(?:B|D)\.\s?)C\.$|\b(?:A\.\s?D|U\.\s?[KS]|\d\s?[AP]\.\s?M)\.$")
# A numeral or abbreviation in capitals, which ends a sentence only before a capital.
_CAPITALS = pattern(r"\b\p{Lu}{1,5}\.$")


class Span(NamedTuple):
    """Characters `start` to `end` of a text, trimmed of whitespace, never empty."""

    start: int
    end: int


class Gap(NamedTuple):
    """Whitespace between two units: characters `start` to `end`, possibly empty."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Segments:
    """The structure of one text. Sentences never cross a paragraph."""

    text: str
    paragraphs: tuple[Span, ...]
    sentences: tuple[Span, ...]
    # Starts and ends of the sentences, for binary search.
    _starts: list[int] = field(init=False, repr=False, compare=False)
    _ends: list[int] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """List the starts and ends of the sentences."""
        object.__setattr__(self, "_starts", [span.start for span in self.sentences])
        object.__setattr__(self, "_ends", [span.end for span in self.sentences])

    def sentence_gaps(self) -> list[Gap]:
        """Return the gaps between neighbouring sentences, including those between paragraphs."""
        return [*starmap(Gap, zip(self._ends, self._starts[1:], strict=False))]

    def paragraph_gaps(self) -> list[Gap]:
        """Return the gaps between neighbouring paragraphs."""
        return [Gap(left.end, right.start) for left, right in pairwise(self.paragraphs)]

    def within(self, gap: Gap) -> bool:
        """Return whether a gap lies inside a sentence."""
        place = bisect_right(self._starts, gap.start) - 1
        return place >= 0 and gap.end <= self._ends[place]

    def numbers_in(self, span: Span) -> range:
        """Return the indices in `sentences` of those that lie within a span."""
        # Sentences are in order and do not overlap.
        first = bisect_left(self._starts, span.start)
        return range(first, bisect_right(self._ends, span.end, first))

    def sentences_in(self, span: Span) -> list[Span]:
        """Return the sentences that lie within a span."""
        return [self.sentences[number] for number in self.numbers_in(span)]


def segment(text: str, gen_start: int, language: str = "en") -> Segments:
    """Segment a text whose generated part starts at `gen_start`."""
    paragraphs = _paragraphs(text, gen_start)
    sentences = [
        sentence for paragraph in paragraphs for sentence in _sentences(text, paragraph, language)
    ]
    return Segments(text, tuple(paragraphs), tuple(sentences))


def word_count(text: str, start: int = 0, end: int | None = None) -> int:
    """Count the words and numbers between two offsets."""
    return count_between(text, start, len(text) if end is None else end)


# All slots and checks of a document read the same few sides.
@lru_cache(maxsize=16)
def counted_words(text: str, split: int, target: Side) -> list[tuple[int, Span]]:
    """Return the content words among the `MAX_INDEX` words nearest to a split, with their index.

    Every run of characters between whitespace counts as one word, so that anyone can count. A run
    of several words, such as `either/or`, counts and is none of these.
    """
    if target == "prefix":
        runs = _RUN_BACKWARD.finditer(text, 0, split)
    else:
        runs = _RUN.finditer(text, split)
    found = []
    for index, run in enumerate(islice(runs, MAX_INDEX), start=1):
        starts, ends = spans_between(text, *run.span())
        if len(starts) == 1 and is_content(text[starts[0] : ends[0]]):
            found.append((index, Span(starts[0], ends[0])))
    return found


def ends_sentence(text: str) -> bool:
    """Return whether a text ends in terminal punctuation, ignoring closing quotes and brackets."""
    bare = text.rstrip(_SPACES)
    return bare.rstrip(_CLOSING).endswith(_TERMINAL) or (
        not bare[-1:].isascii() and _UNMARKED.search(bare) is not None
    )


def closing_of(text: str) -> int:
    """Classify the end of a window: end of a line, of a sentence, or neither."""
    body = text.rstrip()
    if "\n" in text[len(body) :]:
        return LINE_END
    closed = body.rstrip('"”’)]').endswith((".", "!", "?", "…"))
    return SENTENCE if closed else MIDDLE


def split_kind(text: str, split: int) -> str:
    """Return the kind of a split: "line" or "sentence" if one ends there, else "within"."""
    # A split may lie before or after the whitespace of its gap.
    after = text[split:]
    gap = after[: len(after) - len(after.lstrip())]
    return _ENDS[closing_of(text[:split] + gap)]


# Siblings share their beginning.
@lru_cache(maxsize=256)
def is_prose(text: str) -> bool:
    """Return whether a text is one sentence of several words, in any script.

    Most of it are letters, and it has no markup or list marks.
    """
    return (
        ends_sentence(text)
        # Expressions are slow to fail, so each runs only where it may match.
        and not (_may_hold_markup(text) and _MARKUP.search(text))
        and _is_worded(text)
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
    """Return whether a text may be a list item or heading: no letter first, or as in `a)`."""
    return not text[0].isalpha() or text[1:2] in (".", ")")


def _is_worded(text: str) -> bool:
    # Of most sentences, the ASCII letters are already enough.
    letters = len(text.encode("ascii", "ignore").translate(None, _ASCII_SIGNS))
    return _has_words(text) and (
        letters >= _LEAST_LETTERS * len(text)
        or len(_LETTERS.findall(text)) >= _LEAST_LETTERS * sum(map(len, text.split()))
    )


def _has_words(text: str) -> bool:
    """Return whether a text has enough words; characters count where words are not spaced."""
    # Of most sentences, enough of the first chunks are words: any chunk of letters is at least one.
    return (
        sum(map(str.isalpha, text.split(None, 2 * _FEWEST_WORDS))) >= _FEWEST_WORDS
        or size_between(text, 0, len(text)) >= _FEWEST_WORDS
    )


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
    # A region with blank lines separates paragraphs by them, a region without by newlines.
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
    """Yield runs of whitespace that hold newlines: start, end, and number of newlines."""
    for match in _NEWLINES.finditer(text):
        start, end = match.span()
        while start and text[start - 1] in _BLANKS:
            start -= 1
        yield start, end, match.group().count("\n")


def _wrapped(text: str, end: int, start: int) -> bool:
    """Return whether a line that ends at `end` continues mid-sentence at `start`."""
    return text[start : start + 1].islower() and not ends_sentence(text[max(0, end - 8) : end])


def _sentences(text: str, paragraph: Span, language: str) -> list[Span]:
    import sentencex

    found: list[Span] = []
    for block in _blocks(text, paragraph):
        piece = text[block.start : block.end]
        for boundary in sentencex.get_sentence_boundaries(language, piece):
            start = block.start + boundary["start_index"]
            span = _trim(text, start, block.start + boundary["end_index"])
            if span is None:
                continue
            if found and found[-1].start >= block.start:
                # A bracket that closes the sentence before.
                closed = _closed(text, span)
                if closed > span.start:
                    found[-1] = Span(found[-1].start, closed)
                    trimmed = _trim(text, closed, span.end)
                    if trimmed is None:
                        continue
                    span = trimmed
                if _continues(text, found[-1], span):
                    span = Span(found.pop().start, span.end)
            found.append(span)
    return found


def _continues(text: str, left: Span, right: Span) -> bool:
    """Return whether a boundary is false.

    It is after a list number, initials, or capitals before a lower-case letter, and between an
    abbreviation and a number.
    """
    line = text[left.start : left.end]
    after = text[right.start]
    return (
        _ENUMERATOR.fullmatch(line) is not None
        or (after.isdigit() and _NUMBERED.search(line) is not None)
        or (after.islower() and _CAPITALS.search(line) is not None)
        or (after.isupper() and _ends_in_initials(line))
    )


def _ends_in_initials(line: str) -> bool:
    """Return whether a line ends in two or more initials of a name."""
    found = _INITIALS.search(line)
    return found is not None and found.group().count(".") > 1 and _DOTTED.search(line) is None


def _closed(text: str, span: Span) -> int:
    """Return the offset after the closing brackets, and a mark after them, that start a span."""
    at = span.start
    while at < span.end and text[at] in ")]":
        at += 1
    return at + 1 if at > span.start and text[at : at + 1] in _TERMINAL else at


def _blocks(text: str, paragraph: Span) -> list[Span]:
    """Split a paragraph into blocks of lines, joining lines that are only wrapped."""
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
