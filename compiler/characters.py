"""What kind of character stands at each place of a text, looked up for the whole text at once."""

from __future__ import annotations

import sys
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

_PAGE = 256


class Kinds:
    """A number below 256 per character. `kind_of` says which, once for every page of Unicode used.

    Texts use few pages: asking about all characters would take longer than most builds.
    """

    def __init__(self, kind_of: Callable[[str], int]) -> None:
        self._kind_of = kind_of
        self._kinds = np.zeros(sys.maxunicode + 1, np.uint8)
        self._known = np.zeros(len(self._kinds) // _PAGE, np.bool_)

    def of(self, text: str) -> NDArray[np.uint8]:
        """The kind of each character of a text."""
        codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)
        pages = codes // _PAGE
        if not self._known[pages].all():
            for page in np.unique(pages).tolist():
                self._learn(page)
        found: NDArray[np.uint8] = self._kinds[codes]
        return found

    def _learn(self, page: int) -> None:
        start = page * _PAGE
        self._kinds[start : start + _PAGE] = [
            self._kind_of(chr(code)) for code in range(start, start + _PAGE)
        ]
        self._known[page] = True
