"""A filter of the short runs of characters that occur in a set of texts.

Hashes in a table of flags, as in a Bloom filter with one hash: a positive may be wrong, a negative
never is.
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
    """The runs of `size` characters that occur in a set of texts."""

    size = 8
    """Characters per run, the bytes of a 64-bit number."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._present = np.zeros(1 << _BITS, np.bool_)
        for text in texts:
            self._present[_hashes(text)] = True

    def absent(self, text: str) -> list[int]:
        """Return the ascending offsets of runs in `text` that no text has."""
        places: list[int] = np.flatnonzero(~self._present[_hashes(text)]).tolist()
        return places


def _hashes(text: str) -> NDArray[np.int64]:
    # One byte per character keeps offsets. Characters beyond Latin-1 all become `?`, so fewer runs
    # are ruled out in other scripts.
    characters = text.encode("latin-1", "replace")
    if len(characters) < Shingles.size:
        return np.zeros(0, np.int64)
    runs = np.ndarray((len(characters) - Shingles.size + 1,), np.uint64, characters, 0, (1,))
    return ((runs * _FACTOR) >> _SHIFT).view(np.int64)
