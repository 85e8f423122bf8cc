"""Where in a text each stem stands: what either side of any split holds, from one look at it."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import Lexicon, Numbers
from compiler.words import stems


class Places:
    """The first and the last place of each stem of a text, counted in stems."""

    def __init__(self, text: str, chunks: Numbers, lexicon: Lexicon) -> None:
        """`chunks`: of the text, in the lexicon."""
        self._text = text
        self._lexicon = lexicon
        found = lexicon.stems(chunks)
        # By chunk, how many stems are in those before it.
        self._before = np.concatenate([np.zeros(1, np.int64), lexicon.stem_ends(chunks)])
        self._known: dict[int, int] = {}
        # By stem and place, and last what is no stem, so that every look finds something.
        order = np.argsort(found, kind="stable")
        self._stems = np.append(found[order], np.iinfo(np.int64).max)
        self._order = np.append(order, len(found))

    @classmethod
    def of(cls, text: str) -> Places:
        """The places of a text that is not read yet."""
        lexicon = Lexicon.current()
        return cls(text, lexicon.read(text), lexicon)

    def held(self, wanted: Iterable[str], start: int, end: int) -> NDArray[np.bool_]:
        """Which of some stems `words.stems` finds between two offsets, of which one is an end of
        the text.
        """
        split = start or end
        if not any(map(str.isspace, self._text[max(0, split - 1) : split + 1])):
            # It may cut a word, whose parts have stems of their own.
            return np.array([*map(stems(self._text, start, end).__contains__, wanted)], np.bool_)
        numbers = np.array([*map(self._lexicon.known_stem, wanted)], np.int64)
        first = np.searchsorted(self._stems, numbers)
        after = np.searchsorted(self._stems, numbers, "right")
        before = self._stems_before(split)
        there = self._order[after - 1] >= before if start else self._order[first] < before
        found: NDArray[np.bool_] = there & (first < after)
        return found

    def _stems_before(self, split: int) -> int:
        """How many stems are before a split that cuts no chunk. A document has few."""
        if split not in self._known:
            self._known[split] = int(self._before[len(self._text[:split].split())])
        return self._known[split]
