"""Where in a text each stem stands: what either side of any split holds, from one look at it."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate, chain

from compiler.words import stems, stems_by_chunk


class Places:
    """The first and the last place of each stem of a text, counted in stems."""

    def __init__(self, text: str) -> None:
        self._text = text
        chunks = stems_by_chunk(text)
        found = list(chain.from_iterable(chunks))
        numbers = range(len(found))
        # Of several, the one put in last stays.
        self._first = dict(zip(reversed(found), reversed(numbers), strict=True))
        self._last = dict(zip(found, numbers, strict=True))
        # By chunk, how many stems are in those before it.
        self._before = list(accumulate(map(len, chunks), initial=0))

    def held(self, wanted: Iterable[str], start: int, end: int) -> int:
        """How many of some different stems `words.stems` finds between two offsets, of which one is
        an end of the text.
        """
        split = start or end
        if not any(map(str.isspace, self._text[max(0, split - 1) : split + 1])):
            # It may cut a word, whose parts have stems of their own.
            return len(stems(self._text, start, end).intersection(wanted))
        before = self._before[len(self._text[:split].split())]
        if start:
            return sum([self._last.get(each, -1) >= before for each in wanted])
        return sum([self._first.get(each, before) < before for each in wanted])


@lru_cache(maxsize=4)
def places(text: str) -> Places:
    """The places of a text; each probe of a document asks for those of the same one."""
    return Places(text)
