"""The kind of every character of a text, from one table lookup for the whole text."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_PAGE = 256
_UNKNOWN = 255


class Kinds:
    """A number below 255 per character, computed by `kind_of` at first use of a Unicode page.

    Texts use few pages of 256 characters. Computing all of Unicode would take longer than most
    builds.
    """

    def __init__(self, kind_of: Callable[[str], int]) -> None:
        self._kind_of = kind_of
        self._kinds = np.full(sys.maxunicode + 1, _UNKNOWN, np.uint8)

    def of(self, text: str) -> NDArray[np.uint8]:
        """Return the kind of each character of a text."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        found: NDArray[np.uint8] = self._kinds.take(codes)
        unknown = found == _UNKNOWN
        if unknown.any():
            for page in np.unique(codes[unknown] // _PAGE).tolist():
                self._learn(page)
            found = self._kinds.take(codes)
        return found

    def _learn(self, page: int) -> None:
        start = page * _PAGE
        self._kinds[start : start + _PAGE] = [
            self._kind_of(chr(code)) for code in range(start, start + _PAGE)
        ]
