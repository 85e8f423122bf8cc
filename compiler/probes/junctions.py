"""The windows of documents by the tokens beside their edges."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compiler.probes.collocations import Frames, Place
from compiler.probes.lexicon import UNKNOWN, Numbers
from compiler.probes.windows import Windows
from compiler.words import token_spans

LAST_LEVEL = 2
"""The level of the search at which windows need not stand beside a similar token."""


class Junctions:
    """The places of several texts, sorted by the token before and the token after each.

    A token is one of `words.tokens_in`; a place inside of it has none on either side.
    """

    def __init__(self, parts: Sequence[Windows], tokens: Sequence[Numbers], frames: Frames) -> None:
        """Index the texts. `tokens`: those of each text, in order."""
        self.windows = Windows.joined(parts)
        edges = [_edges(part, each) for part, each in zip(parts, tokens, strict=True)]
        none = np.zeros(0, np.int64)
        self._before = np.concatenate([none, *(before for before, _ in edges)])
        self._after = np.concatenate([none, *(after for _, after in edges)])
        self._frames = frames
        # A window starts after the token before it, and ends before the token after it.
        sides = [(self._before, self.windows.openings), (self._after, self.windows.closings)]
        self._by_token = [_Sorted(tokens, kinds) for tokens, kinds in sides]
        self._by_class = [
            _Sorted(np.where(tokens == UNKNOWN, UNKNOWN, frames.classes[tokens]), kinds)
            for tokens, kinds in sides
        ]

    def starts(
        self, place: Place, level: int, opening: int, closing: int | None, count: int
    ) -> Numbers:
        """Return the places at which windows of `count` tokens start, by level of the search.

        They begin as `opening` and, unless it is None, end as `closing`.
        """
        if level == LAST_LEVEL:
            return self.windows.places(opening, closing, count)
        token = place.left or place.right
        side, kind = (0, opening) if place.left else (1, closing)
        if level == 0:
            found = self._by_token[side].of(self._frames.pairs.number(token), kind)
        else:
            found = self._by_class[side].of(self._frames.class_of(token), kind)
        return self.windows.among(found - side * count, opening, closing, count)

    def edge(self, place: Place, starts: Numbers, count: int) -> Numbers:
        """Return the token of each window that touches the place, `UNKNOWN` if it is cut."""
        return self._after[starts] if place.left else self._before[starts + count]


class _Sorted:
    """Places by the number and the kind at each."""

    def __init__(self, numbers: Numbers, kinds: NDArray[np.uint8]) -> None:
        # The number in the high bits, then the kind, then the place.
        self._keys = np.sort((numbers << 8 | kinds) << 32 | np.arange(len(numbers)))

    def of(self, number: int, kind: int | None) -> Numbers:
        """Return the places of a number and a kind, or any, in order; none for `UNKNOWN`."""
        if number == UNKNOWN:
            return np.zeros(0, np.int64)
        first = number << 8 | (kind or 0)
        ends = [first << 32, (first + (1 if kind is not None else 1 << 8)) << 32]
        found: Numbers = self._keys[slice(*self._keys.searchsorted(ends))] & ((1 << 32) - 1)
        return found if kind is not None else np.sort(found)


def _edges(windows: Windows, tokens: Numbers) -> tuple[Numbers, Numbers]:
    """Return the token before and the token after each place of one text."""
    starts, ends = token_spans(windows.text)
    padded = np.concatenate([[UNKNOWN], tokens, [UNKNOWN]])
    offsets = windows.offsets
    last = ends.searchsorted(offsets, "right")
    following = starts.searchsorted(offsets)
    # Otherwise the offset cuts a token.
    whole = (last == following) & (offsets >= 0)
    return (
        np.where(whole, padded[last], UNKNOWN),
        np.where(whole, padded[np.minimum(following + 1, len(tokens) + 1)], UNKNOWN),
    )
