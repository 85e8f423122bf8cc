"""Near copies: sentences that differ from one of a set of texts in a few words only."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

from compiler.patterns import pattern
from compiler.probes.leakage import SEPARATORS, alike, squash

if TYPE_CHECKING:
    from compiler.probes.shingles import Shingles

_SENTENCE_END = pattern(r"(?<=[.!?])\s+")
# Equivalent and faster if all whitespace is single spaces.
_PLAIN_END = re.compile("[.!?] ")
# Two sentences with a larger share of common words, in order, are near copies.
_NEAR = 0.87
# Insertions and deletions per word that this allows: 2 (1 - _NEAR) / _NEAR, rounded up.
_EDITS = 0.3
# Shorter sentences are alike by chance.
_FEWEST = 5


class Sentences:
    """The sentences of squashed texts, searched by runs of words."""

    def __init__(self, squashed: Iterable[str]) -> None:
        self._texts = [_Squashed(text) for text in dict.fromkeys(squashed)]

    @cached_property
    def _shingles(self) -> Shingles:
        from compiler.probes.shingles import Shingles

        return Shingles(each.text for each in self._texts)

    def near_copy(self, text: str) -> str | None:
        """Return the first sentence of `text` that is a near copy of one of these, or None."""
        squashed = squash(text)
        plain = " ".join(squashed.split())
        absent = [*self._shingles.absent(plain), len(plain)]
        start = 0
        for own in _SENTENCE_END.split(squashed):
            words = own.split()
            runs = _runs(words, start) if len(words) >= _FEWEST else []
            # Usually no run occurs in any text, and the texts need not be searched.
            present = [
                plain[a:b]
                for a, b in runs
                if absent[bisect_left(absent, a)] + self._shingles.size > b
            ]
            if present and self._copied(words, present):
                return own
            start += sum(map(len, words)) + len(words)
        return None

    def _copied(self, words: Sequence[str], runs: Sequence[str]) -> bool:
        """Return whether a sentence that holds one of the runs is a near copy of the words."""
        size = len(words)
        # Bounds on the number of words of a near copy.
        least, most = size * _NEAR / (2 - _NEAR), size * (2 - _NEAR) / _NEAR
        for sentence in {
            each for text in self._texts for run in runs for each in text.holding(run)
        }:
            other = sentence.split()
            long_enough = len(other) >= _FEWEST and least <= len(other) <= most
            if long_enough and alike(words, other, _NEAR):
                return True
        return False


class _Squashed:
    """A squashed text whose sentences are found around the places of a match."""

    def __init__(self, text: str) -> None:
        self._squashed = text
        # These separate words for `str.split`, but do not end a sentence.
        self._odd = any(separator in text for separator in SEPARATORS)
        self.text = " ".join(self._sentences()) if self._odd else text

    def _sentences(self) -> list[str]:
        return [" ".join(each.split()) for each in _SENTENCE_END.split(self._squashed)]

    @cached_property
    def _starts(self) -> list[int]:
        """The start of each sentence, and that of one after the last."""
        if self._odd:
            return [0, *accumulate(len(sentence) + 1 for sentence in self._sentences())]
        ends = [found.end() for found in _PLAIN_END.finditer(self.text)]
        return [0, *ends, len(self.text) + 1]

    def holding(self, run: str) -> Iterator[str]:
        """Yield the sentences that hold a run of characters."""
        at = self.text.find(run)
        while at >= 0:
            place = bisect_right(self._starts, at)
            after = self._starts[place]
            yield self.text[self._starts[place - 1] : after - 1]
            at = self.text.find(run, after)


def _runs(words: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Cut words into enough runs that every near copy of them holds one run unchanged.

    Each insertion or deletion changes at most one run, and there is one run more than a near copy
    has insertions and deletions. Runs are returned as character offsets (start, end) in the words
    joined by spaces, counted from `start`.
    """
    count = int(len(words) * _EDITS) + 1
    starts = [*accumulate((len(word) + 1 for word in words), initial=start)]
    edges = [starts[number * len(words) // count] for number in range(count + 1)]
    return [(first, after - 1) for first, after in pairwise(edges)]


@lru_cache(maxsize=4)
def sentences(squashed: tuple[str, ...]) -> Sentences:
    """Return the sentences of squashed texts, cached for the probes of one document."""
    return Sentences(squashed)
