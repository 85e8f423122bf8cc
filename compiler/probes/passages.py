"""Comparison of an answer with its atom and with the other passages of its document.

An answer is compared by its terms: content words, numbers and acronyms. A term weighs log(1 + n/m)
if m of the document's n sentences hold it (inverse document frequency, Sparck Jones 1972). The
share of a passage is the weight of the answer's terms that the passage holds, over the weight of
all its terms. A paraphrase keeps names, numbers and most words, so its atom has the largest share.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from itertools import chain, pairwise
from typing import NamedTuple

from compiler.patterns import pattern
from compiler.probes.segment import Segments, Span
from compiler.probes.units import SIDE, UNITS
from compiler.probes.units.segmenter import Limits
from compiler.words import STOPWORDS, WORD, Chunks, is_content, stem

OF_SIDE = Limits(least=0.3, inside=0.8, one_part=0.9)
"""Thresholds of an entire side; those of other units are in `UNITS`."""
CLEAR = 0.3
"""With a smaller share, the rest of the text must hold more of an answer's terms."""
MARGIN = 0.05
"""Largest lead of another passage's share over the atom's."""
ELSEWHERE = (0.15, 0.6)
"""An atom's share below the first and another passage's above the second: an error."""
# Answers of fewer terms give no certain error.
_FEWEST = 4
# Share of common terms above which two passages say nearly the same.
_ALIKE = 0.5
# Longer prefixes of a stem separate its derivations: independent, independence.
_PREFIX = 6
# Scripts without spaces, whose words are compared by pairs of characters.
_UNSPACED = pattern(r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]")


class Shares(NamedTuple):
    """Shares of an answer's terms, their number, and how many of them the atom holds.

    `atom`: of the atom; `rival`: the largest of another passage, which begins as `rival_text`;
    `text`: of the whole text; `part`: the largest of one part of the atom.
    """

    terms: int
    held: int
    atom: float
    rival: float
    rival_text: str
    text: float
    part: float


class Offered(NamedTuple):
    """A text, and the units of it that are offered, by kind."""

    text: str
    units: Mapping[str, Sequence[Span]]


class Passages:
    """The passages of one text, and those of its siblings."""

    def __init__(self, segments: Segments, siblings: Sequence[Offered]) -> None:
        """Index the passages of a text and of other texts."""
        self._segments = segments
        self._siblings = siblings

    def shares(self, answer: str, span: Span, kind: str) -> Shares:
        """Compute the shares of an answer to a question about a span of the text."""
        weights = {term: self._weight(term) for term in terms(answer)}
        # Exact sums, which do not depend on the order of a set.
        whole = math.fsum(weights.values())
        if not whole:
            return Shares(0, 0, 0.0, 0.0, "", 0.0, 0.0)
        wanted = weights.keys()
        text = self._segments.text
        atom = text[span.start : span.end]

        def share(passage: str) -> float:
            return math.fsum(weights[term] for term in wanted & self._terms_of(passage)) / whole

        rivals = {each for each in self._rivals(span, kind) if not self._alike(each, atom)}
        best = max(rivals, key=lambda each: (share(each), each), default="")
        return Shares(
            len(wanted),
            len(wanted & self._terms_of(atom)),
            share(atom),
            share(best),
            " ".join(best[:60].split()),
            share(text),
            max(map(share, self._parts(span, kind)), default=0.0),
        )

    def _rivals(self, span: Span, kind: str) -> Iterator[str]:
        """Yield the other passages that an answer may be about."""
        text = self._segments.text
        if kind == SIDE:
            suffix = span.start > 0
            yield text[: span.start] if suffix else text[span.end :]
            for other in self._siblings:
                yield other.text[span.start :] if suffix else other.text[: span.end]
            return
        for unit in UNITS[kind].spans(self._segments):
            if unit.end <= span.start or span.end <= unit.start:
                yield text[unit.start : unit.end]
        for other in self._siblings:
            offered = other.units.get(kind, ())
            yield from (other.text[unit.start : unit.end] for unit in offered)

    def _alike(self, passage: str, atom: str) -> bool:
        """Return whether an answer about one of two passages may be about either."""
        left, right = self._terms_of(passage), self._terms_of(atom)
        return passage in atom or len(left & right) >= _ALIKE * len(left | right)

    def _parts(self, span: Span, kind: str) -> list[str]:
        """Return the paragraphs of a side if it has several, otherwise the atom's sentences."""
        text = self._segments.text
        if kind == SIDE:
            inside = [p for p in self._segments.paragraphs if p.start >= span.start]
            inside = [p for p in inside if p.end <= span.end]
            if len(inside) > 1:
                return [text[part.start : part.end] for part in inside]
        return [text[part.start : part.end] for part in self._segments.sentences_in(span)]

    @cached_property
    def _found(self) -> dict[str, frozenset[str]]:
        """The terms of passages by their text, at first those of all sentences."""
        own = Offered(self._segments.text, {"sentence": self._segments.sentences})
        return {
            sentence: terms(sentence)
            for text, units in (own, *self._siblings)
            for sentence in (text[span.start : span.end] for span in units.get("sentence", ()))
        }

    def _terms_of(self, passage: str) -> frozenset[str]:
        if passage not in self._found:
            self._found[passage] = terms(passage)
        return self._found[passage]

    @cached_property
    def _counts(self) -> tuple[int, Counter[str]]:
        """The number of sentences, and in how many of them each term occurs."""
        found = [*self._found.values()]
        return len(found), Counter(term for each in found for term in each)

    def _weight(self, term: str) -> float:
        size, counts = self._counts
        # A term that no sentence holds weighs as much as one that a single sentence holds.
        return math.log(1 + size / (counts[term] or 1))


def terms(text: str) -> frozenset[str]:
    """Return the terms of a text."""
    return frozenset(chain.from_iterable(map(_terms_in.__getitem__, set(text.split()))))


def names(question: str) -> frozenset[str]:
    """Return the terms of the names and numbers in a question: capitals inside a sentence."""
    found: set[str] = set()
    for before, chunk in pairwise(["?", *question.split()]):
        inside = before[-1] not in ".?!:…"
        for word in WORD.findall(chunk):
            if word[0].isnumeric() or (inside and word[0].isupper() and len(word) > 1):
                found.update(_terms_of_word(word))
    return frozenset(found)


def _terms_of_word(word: str) -> Iterator[str]:
    if word[0].isnumeric():
        yield word.replace(",", "")
    elif not word.isascii() and _UNSPACED.search(word):
        yield from map("".join, pairwise(word))
    elif is_content(word) or (len(word) == 3 and word.casefold() not in STOPWORDS):
        yield stem(word)[:_PREFIX]
    elif len(word) == 2 and word.isupper():
        yield word


_terms_in = Chunks(
    lambda chunk: tuple(chain.from_iterable(_terms_of_word(word) for word in WORD.findall(chunk)))
)


def _limits(unit: str) -> Limits:
    return OF_SIDE if unit == SIDE else UNITS[unit].limits


def about(found: Shares, unit: str) -> str:
    """Return the violation of an answer that is not about its atom, empty without one."""
    limits = _limits(unit)
    few = found.held < min(2, found.terms - 1)
    if found.atom < limits.least or few or found.text == found.atom < CLEAR:
        return f"the atom holds {found.atom:.2f} of the answer's content"
    if found.rival - found.atom > MARGIN:
        rival = f"{found.rival:.2f}: {found.rival_text!r}"
        return f"the atom holds {found.atom:.2f}, another passage {rival}"
    if found.atom < limits.inside * found.text:
        return f"the atom holds {found.atom:.2f}, the whole text {found.text:.2f}"
    return ""


def elsewhere(found: Shares) -> bool:
    """Return whether an answer is certainly about another passage."""
    least, most = ELSEWHERE
    return found.terms >= _FEWEST and found.atom < least and found.rival > most


def of_one_part(found: Shares, unit: str) -> bool:
    """Return whether one part of an atom holds all that an answer takes from it."""
    limit = _limits(unit).one_part
    return limit is not None and found.part > limit * found.atom > 0
