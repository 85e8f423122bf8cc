"""Which short runs of characters occur in some texts: to rule out at once what does not.

Kept as hashes in a table of bits, so that a yes may be wrong and a no never is.
"""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

_BITS = 17
# Knuth's multiplicative hashing: 2**64 over the golden ratio.
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_SHIFT = np.uint64(64 - _BITS)


class Shingles:
    """The characters of some texts, so many in a row."""

    size = 8
    """As many as a 64-bit number has bytes."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._present = np.zeros(1 << _BITS, np.bool_)
        for text in texts:
            self._present[_hashes(text)] = True

    def absent(self, text: str) -> list[int]:
        """Where in `text` `size` characters in a row start that no text has, in order."""
        places: list[int] = np.flatnonzero(~self._present[_hashes(text)]).tolist()
        return places


def _hashes(text: str) -> NDArray[np.int64]:
    # A byte a character, so that places in one are places in the other. Characters beyond these
    # 256 are all alike: of texts in other scripts less is ruled out.
    characters = text.encode("latin-1", "replace")
    if len(characters) < Shingles.size:
        return np.zeros(0, np.int64)
    runs = np.ndarray((len(characters) - Shingles.size + 1,), np.uint64, characters, 0, (1,))
    return ((runs * _FACTOR) >> _SHIFT).view(np.int64)
