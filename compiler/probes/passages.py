"""The passages of a document by their terms, with which an answer is compared."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable, Mapping, Sequence
from functools import cache, cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from compiler.characters import Kinds
from compiler.probes.lexicon import Lexicon, Numbers, distinct
from compiler.probes.segment import Segments, Span
from compiler.probes.shares import Shares
from compiler.probes.units import SIDE, UNITS

# Share of common terms above which two passages say nearly the same.
_ALIKE = 0.5


class Text:
    """A text and the terms of its parts, as numbers of the lexicon."""

    def __init__(self, text: str, chunks: Numbers, lexicon: Lexicon) -> None:
        """Index a text. `chunks`: its chunks in the lexicon."""
        self.text = text
        self.lexicon = lexicon
        self._terms = lexicon.terms(chunks)
        # The number of terms in the chunks before each, and the offset at which each starts.
        self._before: list[int] = [0, *lexicon.term_ends(chunks).tolist()]
        space = np.append(True, _spaces().of(text) > 0)
        self._starts: list[int] = np.flatnonzero(space[:-1] & ~space[1:]).tolist()
        # The place at which each term occurred last, -1 for its first place.
        order = np.argsort(self._terms, kind="stable")
        again = self._terms[order[1:]] == self._terms[order[:-1]]
        self._last = np.full(len(order), -1)
        self._last[order[1:][again]] = order[:-1][again]

    @classmethod
    def of(cls, text: str) -> Text:
        """Index a text with the current lexicon."""
        lexicon = Lexicon.current()
        return cls(text, lexicon.read(text), lexicon)

    def terms(self, start: int, end: int) -> Numbers:
        """Return the distinct terms between two offsets."""
        if self._cuts(start) or self._cuts(end):
            return distinct(self.lexicon.terms(self.lexicon.read(self.text[start:end])))
        first = self._before[bisect_left(self._starts, start)]
        after = self._before[bisect_left(self._starts, end)]
        found: Numbers = self._terms[first:after][self._last[first:after] < first]
        return found

    @cached_property
    def all_terms(self) -> Numbers:
        """The distinct terms of the text."""
        return self.terms(0, len(self.text))

    def _cuts(self, offset: int) -> bool:
        """Return whether an offset is inside a chunk."""
        text = self.text
        inside = 0 < offset < len(text)
        return inside and not text[offset - 1].isspace() and not text[offset].isspace()


@cache
def _spaces() -> Kinds:
    return Kinds(lambda char: int(char.isspace()))


class Offered(NamedTuple):
    """A text, and the units of it that are offered, by kind."""

    text: Text
    units: Mapping[str, Sequence[Span]]


class Passages:
    """The passages of one text, and those of its siblings."""

    def __init__(self, segments: Segments, text: Text, siblings: Sequence[Offered]) -> None:
        """Index the passages of a text and of other texts."""
        self._segments = segments
        self._text = text
        self._siblings = siblings
        self._lexicon = text.lexicon
        self._known: dict[str, _Units] = {}

    def shares(self, answer: str, span: Span, kind: str) -> Shares:
        """Compute the shares of an answer to a question about a span of the text."""
        wanted = distinct(self._lexicon.terms(self._lexicon.read(answer)))
        held = self._text.terms(*span)
        parts = [self._text.terms(*part) for part in self._parts(span, kind)]
        rivals, others = self._rivals(span, kind)
        # By number of a term; all numbers are known by now.
        weights = np.zeros(self._lexicon.terms_known)
        weights[wanted] = self._weights(wanted)
        # Exact sums, which do not depend on the order of terms.
        whole = math.fsum(weights[wanted].tolist())
        if not whole:
            return Shares(0, 0, 0.0, 0.0, "", 0.0, 0.0)

        def share(terms: Numbers) -> float:
            return math.fsum(weights[terms].tolist()) / whole

        atom = self._text.text[span.start : span.end]
        others = others & ~rivals.alike(held, len(weights))
        others &= [each not in atom for each in rivals.texts]
        best = max(
            ((share(rivals.terms[n]), rivals.texts[n]) for n in rivals.heaviest(weights, others)),
            default=(0.0, ""),
        )
        return Shares(
            len(wanted),
            int(np.count_nonzero(weights[held])),
            share(held),
            best[0],
            " ".join(best[1][:60].split()),
            share(self._text.all_terms),
            max(map(share, parts), default=0.0),
        )

    def holds(self, terms: Iterable[str]) -> bool:
        """Return whether the text holds one of the terms."""
        wanted = [*map(self._lexicon.known_term, terms)]
        return bool(np.isin(self._text.all_terms, wanted).any())

    def _rivals(self, span: Span, kind: str) -> tuple[_Terms, NDArray[np.bool_]]:
        """Return passages, and which of them an answer may be about instead of the span."""
        if kind != SIDE:
            return self._units(kind).beside(span)
        texts = [self._text, *(other.text for other in self._siblings)]
        suffix = span.start > 0
        sides = [(span.start, len(each.text)) if suffix else (0, span.end) for each in texts]
        sides[0] = (0, span.start) if suffix else (span.end, len(self._text.text))
        placed = [*zip(texts, sides, strict=True)]
        passages = _Terms(
            [each.text[slice(*side)] for each, side in placed],
            [each.terms(*side) for each, side in placed],
        )
        return passages, np.ones(len(sides), np.bool_)

    def _parts(self, span: Span, kind: str) -> list[Span]:
        """Return the paragraphs of a side if it has several, otherwise the atom's sentences."""
        if kind == SIDE:
            inside = [p for p in self._segments.paragraphs if p.start >= span.start]
            inside = [p for p in inside if p.end <= span.end]
            if len(inside) > 1:
                return inside
        return self._segments.sentences_in(span)

    def _units(self, kind: str) -> _Units:
        if kind not in self._known:
            own = UNITS[kind].spans(self._segments)
            others = [(other.text, other.units.get(kind, ())) for other in self._siblings]
            self._known[kind] = _Units(self._text, own, others)
        return self._known[kind]

    def _weights(self, terms: Numbers) -> list[float]:
        sentences = self._units("sentence").passages
        size = len(sentences.texts)
        # A term that no sentence holds weighs as much as one that a single sentence holds.
        return [math.log(1 + size / (count or 1)) for count in sentences.counts(terms)]


class _Terms:
    """Some passages and the distinct terms of each."""

    def __init__(self, texts: Sequence[str], terms: Sequence[Numbers]) -> None:
        self.texts = texts
        self.terms = terms
        self._sizes = np.array([*map(len, terms)], np.int64)
        # Parallel arrays: the number of a passage, and one of its terms.
        self._passages = np.repeat(np.arange(len(texts)), self._sizes)
        self._terms = np.concatenate([np.zeros(0, np.int64), *terms])

    def counts(self, terms: Numbers) -> list[int]:
        """Count the passages that hold each of the terms."""
        found = np.sort(self._terms)
        sizes = found.searchsorted(terms, "right") - found.searchsorted(terms)
        return [*map(int, sizes)]

    def alike(self, terms: Numbers, size: int) -> NDArray[np.bool_]:
        """Return the passages that say nearly the same as one with the given terms.

        An answer about either may be about the other. `size`: the number of all terms.
        """
        held = np.zeros(size, np.bool_)
        held[terms] = True
        common = np.bincount(self._passages, held[self._terms], len(self.texts))
        found: NDArray[np.bool_] = common >= _ALIKE * (self._sizes + len(terms) - common)
        return found

    def heaviest(self, weights: NDArray[np.float64], among: NDArray[np.bool_]) -> list[int]:
        """Return the passages with the largest weight but for rounding."""
        found = np.bincount(self._passages, weights[self._terms], len(self.texts))
        found[~among] = -1.0
        near: list[int] = np.flatnonzero(among & (found >= found.max(initial=0.0) - 1e-9)).tolist()
        return near


class _Units:
    """The units of a kind in a text and in its siblings, each distinct one once."""

    def __init__(
        self, text: Text, own: Sequence[Span], others: Iterable[tuple[Text, Sequence[Span]]]
    ) -> None:
        numbers: dict[str, int] = {}
        terms: list[Numbers] = []

        def number(text: Text, span: Span) -> int:
            passage = text.text[span.start : span.end]
            if passage not in numbers:
                numbers[passage] = len(terms)
                terms.append(text.terms(*span))
            return numbers[passage]

        self._own = own
        self._numbers = np.array([number(text, span) for span in own], np.int64)
        foreign = [number(other, span) for other, spans in others for span in spans]
        self._foreign = np.zeros(len(terms), np.bool_)
        self._foreign[foreign] = True
        self.passages = _Terms([*numbers], terms)

    def beside(self, span: Span) -> tuple[_Terms, NDArray[np.bool_]]:
        """Return all units, and which of them a sibling has or lie outside the span."""
        apart = [unit.end <= span.start or span.end <= unit.start for unit in self._own]
        found = self._foreign.copy()
        found[self._numbers[apart]] = True
        return self.passages, found
