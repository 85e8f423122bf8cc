"""An index of the runs of four consecutive words in a set of texts."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import Numbers

_BETWEEN = -2
# Unrelated 64-bit numbers as hash factors: hexadecimal digits of pi.
_FACTORS = (0x243F6A8885A308D3, 0x13198A2E03707345, 0xA4093822299F31D1, 0x082EFA98EC4E6C89)
_SIZE = len(_FACTORS)


class Runs:
    """The runs of four consecutive words of texts whose words are numbered."""

    size = _SIZE

    def __init__(self, texts: Sequence[Numbers]) -> None:
        between = np.array([_BETWEEN])
        parts = [part for text in texts for part in (text, between)]
        self._words = np.concatenate(parts) if parts else between
        self._hashes = _hashes(self._words)
        self._sorted = np.sort(self._hashes)

    def share(self, words: Numbers) -> bool:
        """Return whether a run of the given words occurs in one of the texts.

        An unknown word must have a number that no word of the texts has.
        """
        asked = _hashes(words)
        if not len(asked) or not len(self._sorted):
            return False
        places = np.searchsorted(self._sorted, asked)
        likely = self._sorted[np.minimum(places, len(self._sorted) - 1)] == asked
        # Different runs may have the same hash.
        return any(self._stands(words[at : at + _SIZE], asked[at]) for at in np.flatnonzero(likely))

    def _stands(self, run: Numbers, hashed: np.uint64) -> bool:
        return any(
            np.array_equal(self._words[at : at + _SIZE], run)
            for at in np.flatnonzero(self._hashes == hashed)
        )


def _hashes(words: Numbers) -> NDArray[np.uint64]:
    """Hash each run of words."""
    count = max(0, len(words) - _SIZE + 1)
    found = np.zeros(count, np.uint64)
    for at, factor in enumerate(_FACTORS):
        found += words[at : at + count].astype(np.uint64) * np.uint64(factor)
    return found
