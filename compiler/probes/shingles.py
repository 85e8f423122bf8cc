"""Which short runs of characters occur in some texts: to rule out at once what does not.

Kept as hashes in a table of bits, so that a yes may be wrong and a no never is.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator

import numpy as np
from numpy.typing import NDArray

# How many characters in a row are looked up at once: as many as a 64-bit number has bytes.
_SIZE = 8
_BITS = 17
# Knuth's multiplicative hashing: 2**64 over the golden ratio.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - _BITS)


class Shingles:
    """Every eight characters in a row of some texts."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._present = np.zeros(1 << _BITS, np.bool_)
        for text in texts:
            self._present[_hashes(text)] = True

    def possible(
        self, text: str, stretches: Iterable[tuple[int, int]]
    ) -> Iterator[tuple[int, int]]:
        """Those stretches (from, to) of a text that one of the texts may hold."""
        absent: list[int] = np.flatnonzero(~self._present[_hashes(text)]).tolist()
        absent.append(len(text))
        for start, end in stretches:
            if absent[bisect_left(absent, start)] + _SIZE > end:
                yield start, end


def _hashes(text: str) -> NDArray[np.int64]:
    # A byte a character, so that places in one are places in the other. Characters beyond these
    # 256 are all alike: of texts in other scripts less is ruled out.
    characters = text.encode("latin-1", "replace")
    if len(characters) < _SIZE:
        return np.zeros(0, np.int64)
    runs = np.ndarray((len(characters) - _SIZE + 1,), np.uint64, characters, 0, (1,))
    return ((runs * _FACTOR) >> _SHIFT).view(np.int64)
