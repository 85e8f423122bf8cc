"""Near copies: sentences that repeat one of some texts but for a few words."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import TYPE_CHECKING

import regex

from compiler.probes.leakage import SEPARATORS, alike, squash

if TYPE_CHECKING:
    from compiler.probes.shingles import Shingles

_SENTENCE_END = regex.compile(r"(?<=[.!?])\s+")
# The same where all whitespace is single spaces, found faster.
_PLAIN_END = re.compile("[.!?] ")
# Two sentences with so large a share of their words in common, in order, are near copies.
_NEAR = 0.87
# That leaves so many words to be added or left out, per word: 2 (1 - _NEAR) / _NEAR, rounded up.
_EDITS = 0.3
# Shorter sentences are alike by chance.
_FEWEST = 5


class Sentences:
    """The sentences of some squashed texts, found by words in a row."""

    def __init__(self, squashed: Iterable[str]) -> None:
        self._texts = [_Told(text) for text in dict.fromkeys(squashed)]

    @cached_property
    def _shingles(self) -> Shingles:
        from compiler.probes.shingles import Shingles

        return Shingles(told.text for told in self._texts)

    def near_copy(self, text: str) -> str | None:
        """The sentence of `text` that copies one of these but for a word in eight, if any does."""
        squashed = squash(text)
        plain = " ".join(squashed.split())
        absent = [*self._shingles.absent(plain), len(plain)]
        start = 0
        for own in _SENTENCE_END.split(squashed):
            words = own.split()
            runs = _runs(words, start) if len(words) >= _FEWEST else []
            # Mostly no run is anywhere, and the texts need not be gone through.
            told = [
                plain[a:b]
                for a, b in runs
                if absent[bisect_left(absent, a)] + self._shingles.size > b
            ]
            if told and self._tells(words, told):
                return own
            start += sum(map(len, words)) + len(words)
        return None

    def _tells(self, words: Sequence[str], runs: Sequence[str]) -> bool:
        """Whether a sentence that holds one of the runs is a near copy of the words."""
        size = len(words)
        # Of two alike, the longer has at most so many words more than the shorter.
        least, most = size * _NEAR / (2 - _NEAR), size * (2 - _NEAR) / _NEAR
        for sentence in {
            each for told in self._texts for run in runs for each in told.holding(run)
        }:
            other = sentence.split()
            long_enough = len(other) >= _FEWEST and least <= len(other) <= most
            if long_enough and alike(words, other, _NEAR):
                return True
        return False


class _Told:
    """A squashed text, of which the sentences around some places are asked for."""

    def __init__(self, text: str) -> None:
        self._squashed = text
        # These stand between words, yet no sentence ends at one.
        self._odd = any(separator in text for separator in SEPARATORS)
        self.text = " ".join(self._sentences()) if self._odd else text

    def _sentences(self) -> list[str]:
        return [" ".join(each.split()) for each in _SENTENCE_END.split(self._squashed)]

    @cached_property
    def _starts(self) -> list[int]:
        """Where each sentence starts, and where one after the last would."""
        if self._odd:
            return [0, *accumulate(len(sentence) + 1 for sentence in self._sentences())]
        ends = [found.end() for found in _PLAIN_END.finditer(self.text)]
        return [0, *ends, len(self.text) + 1]

    def holding(self, run: str) -> Iterator[str]:
        """The sentences in which some characters stand."""
        at = self.text.find(run)
        while at >= 0:
            place = bisect_right(self._starts, at)
            after = self._starts[place]
            yield self.text[self._starts[place - 1] : after - 1]
            at = self.text.find(run, after)


def _runs(words: Sequence[str], start: int) -> list[tuple[int, int]]:
    """Words cut into so many runs that a near copy of them holds one of them whole.

    What a near copy adds or leaves out lies in one run each, or between two, and there is one run
    more than it may add and leave out. A run is given as from and to which character it goes, where
    the words begin at `start` with a space between them.
    """
    count = int(len(words) * _EDITS) + 1
    starts = [*accumulate((len(word) + 1 for word in words), initial=start)]
    edges = [starts[number * len(words) // count] for number in range(count + 1)]
    return [(first, after - 1) for first, after in pairwise(edges)]


@lru_cache(maxsize=4)
def sentences(squashed: tuple[str, ...]) -> Sentences:
    """The sentences of some squashed texts; those of one document are asked for by each probe."""
    return Sentences(squashed)
