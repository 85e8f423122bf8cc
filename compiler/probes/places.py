"""The places of each stem in a text, which answer for any split what either side holds."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import Lexicon, Numbers
from compiler.words import stems


class Places:
    """The first and the last place of each stem of a text, counted in stems."""

    def __init__(self, text: str, chunks: Numbers, lexicon: Lexicon) -> None:
        """Index the text. `chunks`: its chunks in the lexicon."""
        self._text = text
        self._lexicon = lexicon
        found = lexicon.stems(chunks)
        # Per chunk, the number of stems in the chunks before it.
        self._before = np.concatenate([np.zeros(1, np.int64), lexicon.stem_ends(chunks)])
        self._known: dict[int, int] = {}
        # Sorted by stem, then by place, with a sentinel at the end, so that indices stay in range.
        order = np.argsort(found, kind="stable")
        self._stems = np.append(found[order], np.iinfo(np.int64).max)
        self._order = np.append(order, len(found))

    @classmethod
    def of(cls, text: str) -> Places:
        """Index a text with the current lexicon."""
        lexicon = Lexicon.current()
        return cls(text, lexicon.read(text), lexicon)

    def held(self, wanted: Iterable[str], start: int, end: int) -> NDArray[np.bool_]:
        """Return, per stem, whether `words.stems` finds it between two offsets.

        One of the offsets must be an end of the text.
        """
        split = start or end
        if not any(map(str.isspace, self._text[max(0, split - 1) : split + 1])):
            # The split may cut a word, whose parts have stems of their own.
            return np.array([*map(stems(self._text, start, end).__contains__, wanted)], np.bool_)
        numbers = np.array([*map(self._lexicon.known_stem, wanted)], np.int64)
        first = np.searchsorted(self._stems, numbers)
        after = np.searchsorted(self._stems, numbers, "right")
        before = self._stems_before(split)
        there = self._order[after - 1] >= before if start else self._order[first] < before
        found: NDArray[np.bool_] = there & (first < after)
        return found

    def _stems_before(self, split: int) -> int:
        """Count the stems before a split that cuts no chunk, cached by split."""
        if split not in self._known:
            self._known[split] = int(self._before[len(self._text[:split].split())])
        return self._known[split]
