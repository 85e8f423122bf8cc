"""The part of a text that other texts hold, by its runs of words."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain

from compiler.words import Chunks, words_in


class WordRuns:
    """The runs of words of some texts, by which another text is compared with them."""

    _SIZE = 3
    _GRAM = 8

    def __init__(self, texts: Iterable[str]) -> None:
        self._runs: set[tuple[str, ...]] = set()
        for text in texts:
            self._runs.update(self._runs_of(_folded(text)))

    def contained(self, text: str) -> tuple[float, float]:
        """Return how much of a text these texts hold: of its longest run, and of its 8-grams.

        The first is the share of its words in the longest run, the second the share of its runs of
        eight words that are held; 0 for fewer words. A run is held if every three neighbouring
        words of it are.
        """
        words = _folded(text)
        held = [run in self._runs for run in self._runs_of(words)]
        longest = length = grams = 0
        for each in held:
            length = length + 1 if each else 0
            longest = max(longest, length)
            grams += length > self._GRAM - self._SIZE
        run = longest + self._SIZE - 1 if longest else 0
        whole = len(words) - self._GRAM + 1
        return run / max(1, len(words)), grams / whole if whole > 0 else 0.0

    def _runs_of(self, words: Sequence[str]) -> Iterable[tuple[str, ...]]:
        return zip(*(words[start:] for start in range(self._SIZE)), strict=False)


def _folded(text: str) -> list[str]:
    return [*chain.from_iterable(map(_folded_of.__getitem__, text.split()))]


_folded_of = Chunks(lambda chunk: tuple(map(str.casefold, words_in(chunk))))
