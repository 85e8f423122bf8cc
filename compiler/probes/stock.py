"""An index of the content words of a shard's documents, with the properties used in matching.

The properties of a word are computed once for all documents that have it. Words and stems are
numbered in sorted order.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import Lexicon, Numbers, distinct
from compiler.words import ENDINGS, ending, script, stem, stems

_NEAREST = 8
_ENDING = 4
_LENGTH = 3


class Stock:
    """The distinct content words of a set of documents. `words`: by number."""

    def __init__(self, texts: Sequence[Numbers], lexicon: Lexicon) -> None:
        """Index the documents. `texts`: their chunks in the lexicon."""
        found = [lexicon.content(chunks) for chunks in texts]
        anywhere = lexicon.content_words
        held = np.zeros(len(anywhere), np.bool_)
        for each in found:
            held[each] = True
        ordered = sorted(np.flatnonzero(held).tolist(), key=anywhere.__getitem__)
        self.words = [anywhere[number] for number in ordered]
        numbers = np.zeros(len(anywhere), np.int64)
        numbers[ordered] = np.arange(len(ordered))
        self._own = [numbers[each] for each in found]
        roots = [stem(word) for word in self.words]
        self._stems = {root: number for number, root in enumerate(sorted(set(roots)))}
        self._roots = np.array([self._stems[root] for root in roots], np.int64)
        self._lexicon = lexicon
        self._roots_anywhere = np.array([*map(lexicon.known_stem, roots)], np.int64)
        # The distinct stems of each document.
        self._held = [distinct(self._roots[own]) for own in self._own]
        self._holders = _Holders(self._held, len(self._stems))
        self._frequency = [math.log(1 + count) for count in self._holders.counts.tolist()]
        self._frequencies: NDArray[np.float64] = np.array(self._frequency)[self._roots]
        self._kinds = np.array([_kind(word) for word in self.words], np.uint8)
        self._script_numbers: dict[str, int] = {}
        scripts = [self._script_of(word) for word in self.words]
        self._scripts = np.array(scripts, np.int64)
        known = [lexicon.known_word(word.casefold()) for word in self.words]
        self.tokens = np.array(known, np.int64)
        self._lengths = np.array([len(word) for word in self.words], np.int32)

    def _script_of(self, word: str) -> int:
        return self._script_numbers.setdefault(script(word), len(self._script_numbers))

    def unwritten(self, among: NDArray[np.bool_], chunks: Numbers) -> Numbers:
        """Return the marked words whose stem occurs in none of the chunks."""
        absent = np.ones(self._lexicon.size, np.bool_)
        absent[self._lexicon.stems(chunks)] = False
        found: Numbers = np.flatnonzero(absent[self._roots_anywhere] & among)
        return found

    def alike(self, wanted: str, among: Numbers, apart: str) -> Numbers:
        """Return the words of `among` that have the form of `wanted`.

        They have its script and its capitals, inner marks (hyphen, apostrophe) as it has or none as
        it has none, and its length, but for three characters. Words with a stem of the text `apart`
        are left out.
        """
        kind = _kind(wanted)
        found: Numbers = among[self._kinds[among] // len(ENDINGS) == kind // len(ENDINGS)]
        found = found[np.abs(self._lengths[found] - len(wanted)) <= _LENGTH]
        found = found[self._scripts[found] == self._script_of(wanted)]
        known = self._stems
        excluded = [known[root] for root in stems(apart) if root in known]
        if excluded:
            allowed = np.ones(len(self._stems), np.bool_)
            allowed[excluded] = False
            found = found[allowed[self._roots[found]]]
        return found

    def end_alike(self, wanted: str, among: Numbers) -> NDArray[np.bool_]:
        """Return which words end like one, which stands for the part of speech."""
        found: NDArray[np.bool_] = self._kinds[among] % len(ENDINGS) == _kind(wanted) % len(ENDINGS)
        return found

    def unlikeness(self, wanted: str, among: Numbers) -> NDArray[np.float64]:
        """Return how much words differ from one in document frequency (logarithm) and ending.

        Another ending counts as much as a frequency that differs by a factor of e to the power of
        `_ENDING`.
        """
        root = self._stems.get(stem(wanted))
        frequency = 0.0 if root is None else self._frequency[root]
        other = ~self.end_alike(wanted, among)
        found: NDArray[np.float64] = abs(self._frequencies[among] - frequency) + _ENDING * other
        return found

    def held(self, places: Iterable[int]) -> NDArray[np.bool_]:
        """Mark the words of some documents."""
        found = np.zeros(len(self.words), np.bool_)
        for place in places:
            found[self._own[place]] = True
        return found

    def nearest(self, place: int) -> tuple[int, ...]:
        """Return the documents that share the most and the rarest stems with one, nearest first."""
        score = self._holders.score(self._held[place])
        score[place] = 0
        # The sort is stable, so document order breaks ties.
        ranked = np.argsort(-score, kind="stable")[:_NEAREST]
        found: list[int] = ranked[score[ranked] > 0].tolist()
        return tuple(found)


class _Holders:
    """The documents of each stem. `counts`: their number per stem."""

    def __init__(self, held: Sequence[Numbers], stems: int) -> None:
        self._total = len(held)
        every = np.concatenate([*held, np.zeros(0, np.int64)])
        sizes = np.array([len(each) for each in held], np.int64)
        documents = np.repeat(np.arange(len(held)), sizes)
        self._documents = documents[np.argsort(every, kind="stable")]
        self.counts = np.bincount(every, minlength=stems)
        self._ends = np.cumsum(self.counts)
        # Weight of a stem by its document frequency: 0 for stems of one document, or of more than a
        # quarter of them.
        most = max(2, self._total // 4)
        self._weights = np.zeros(self._total + 1)
        for count in range(2, min(most, self._total) + 1):
            self._weights[count] = math.log(self._total / count)
        self._informative = np.zeros(self._total + 1, np.bool_)
        self._informative[2 : most + 1] = True

    def score(self, stems: Numbers) -> NDArray[np.float64]:
        """Return, per document, the summed weight of the given sorted stems that it has."""
        counts = self.counts[stems]
        kept = self._informative[counts]
        stems, counts = stems[kept], counts[kept]
        ends = np.cumsum(counts)
        size = int(ends[-1]) if len(ends) else 0
        # The indices in `_documents` of all given stems, concatenated.
        places = np.arange(size) + np.repeat(self._ends[stems] - ends, counts)
        weights = np.repeat(self._weights[counts], counts)
        found = np.bincount(self._documents[places], weights, self._total)
        return found.astype(np.float64)


# Shards have most of their words in common.
@lru_cache(maxsize=1 << 16)
def _kind(word: str) -> int:
    """Return a number for the capitals, the inner marks and the ending of a word."""
    upper = word.isupper() and len(word) > 1
    case = 2 if upper else 1 if word[:1].isupper() else 0
    # A hyphen or an apostrophe.
    joined = any(mark in word for mark in "-'’")
    return (case * 2 + joined) * len(ENDINGS) + ending(word.casefold())
