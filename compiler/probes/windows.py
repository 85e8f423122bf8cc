"""Windows of tokens, classified by beginning and end, for all places of documents at once.

An alternative must begin as the atom does, and end as it does if the atom ends at the split, so
that a reader cannot distinguish the two by their edges.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from functools import cache
from itertools import accumulate

import numpy as np
from numpy.typing import NDArray

from compiler.characters import Kinds
from compiler.probes.segment import LINE_END, MIDDLE, SENTENCE
from compiler.probes.tokens import Tokens

_SPACE, _LINE, _UPPER, _LETTER, _DIGIT, _ALNUM, _TERMINAL, _CLOSER = (1 << n for n in range(8))
_CLOSERS = '"”’)]'
_NEITHER = 255


class Windows:
    """The windows of tokenised texts.

    Arrays have one entry per token of each text, and one for its end. `openings`: the class of the
    windows that start there, `closings`: of those that end there, `offsets`: the offset. Entries
    are `_NEITHER` and -1 if the text cannot be cut there.
    """

    def __init__(
        self,
        texts: Sequence[str],
        openings: NDArray[np.uint8],
        closings: NDArray[np.uint8],
        offsets: NDArray[np.int32],
        firsts: Sequence[int],
    ) -> None:
        self._texts = texts
        self.openings = openings
        self.closings = closings
        self.offsets = offsets
        self._firsts = firsts
        sizes = np.diff([*firsts, len(openings)])
        # The number of the text of each place, and of the tokens from the place to its end.
        self._sources = np.repeat(np.arange(len(firsts)), sizes)
        ends = np.repeat(np.cumsum(sizes), sizes)
        self._left = (ends - np.arange(1, len(openings) + 1)).astype(np.int32)

    @classmethod
    def of(cls, text: str, tokens: Tokens) -> Windows:
        """Classify the windows of one text."""
        clean, before = np.array(tokens.clean, np.int64), np.array(tokens.before, np.int64)
        size = int(before[-1]) + 1
        openings, closings = np.full((2, size), _NEITHER, np.uint8)
        openings[before], closings[before] = _classes(text, clean)
        # No window begins at the end of a text.
        openings[-1] = _NEITHER
        offsets = np.full(size, -1, np.int32)
        offsets[before] = clean
        return cls([text], openings, closings, offsets, [0])

    @classmethod
    def joined(cls, parts: Sequence[Windows]) -> Windows:
        """Concatenate the windows of several sources."""
        sizes = [len(part.openings) for part in parts]
        starts = accumulate(sizes, initial=0)
        return cls(
            [text for part in parts for text in part._texts],
            np.concatenate([part.openings for part in parts] or [np.zeros(0, np.uint8)]),
            np.concatenate([part.closings for part in parts] or [np.zeros(0, np.uint8)]),
            np.concatenate([part.offsets for part in parts] or [np.zeros(0, np.int32)]),
            [
                start + first
                for start, part in zip(starts, parts, strict=False)
                for first in part._firsts
            ],
        )

    def opening_at(self, token: int) -> int:
        """Return the class of the beginning of windows that start at a token."""
        return int(self.openings[token])

    def places(self, opening: int, closing: int | None, count: int) -> NDArray[np.int64]:
        """Return the places of windows of `count` tokens that begin as `opening`, for `window`.

        They also end as `closing`, unless it is None.
        """
        last = max(0, len(self.openings) - count)
        return np.flatnonzero(
            (self.openings[:last] == opening)
            & self._ended(self.closings[count:], closing)
            & (self._left[:last] >= count)
        )

    def among(
        self, starts: NDArray[np.int64], opening: int, closing: int | None, count: int
    ) -> NDArray[np.int64]:
        """Return the places among `starts`, which are sorted, where `places` finds a window."""
        starts = starts[starts.searchsorted(0) :]
        starts = starts[self._left[starts] >= count]
        held = self.openings[starts] == opening
        held &= self._ended(self.closings[starts + count], closing)
        found: NDArray[np.int64] = starts[held]
        return found

    @staticmethod
    def _ended(closings: NDArray[np.uint8], closing: int | None) -> NDArray[np.bool_]:
        found: NDArray[np.bool_] = closings != _NEITHER if closing is None else closings == closing
        return found

    def text_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the text of each place."""
        found: NDArray[np.int64] = self._sources[places]
        return found

    @property
    def text(self) -> str:
        """The first text."""
        return self._texts[0]

    def window(self, place: int, count: int) -> str:
        """Return the window of `count` tokens at a place from `places`."""
        text = self._texts[bisect_right(self._firsts, place) - 1]
        return text[self.offsets[place] : self.offsets[place + count]]


OPENINGS = 3 * 4 * 4


def _classes(text: str, at: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Classify the beginning and the end of windows at sorted offsets.

    A beginning, a number below `OPENINGS`: leading whitespace (none, space, line), the first
    visible character (digit, upper, lower, other) and, without leading whitespace, the character
    before it (word, line start, space, other). An end: `closing_of` the text before the offset.
    """
    # Padded, so that each offset has a character before and after it. The start of the text counts
    # as the start of a line.
    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[0], kinds[1:-1] = _LINE, _kinds().of(text)
    visible = np.flatnonzero(~_has(kinds, _SPACE))
    rank = visible.searchsorted(at, "right")
    last, first = visible[rank - 1], visible[rank]
    lines = np.flatnonzero(_has(kinds, _LINE))
    lines_before = lines.searchsorted(at, "right")
    spaced = first > at + 1
    # 0 none, 1 within a line, 2 with a line end.
    space = spaced.astype(np.int64) + (lines.searchsorted(first) > lines_before)
    before = np.where(spaced, 0, _BEFORE[kinds[at]])
    # The last characters that are no closing brackets or quotes.
    core = np.flatnonzero(~_has(kinds, _CLOSER))
    core = core[core.searchsorted(last, "right") - 1]
    closings = np.where(_has(kinds[core], _TERMINAL), SENTENCE, MIDDLE)
    closings[lines_before > lines.searchsorted(last, "right")] = LINE_END
    return (space * 4 + _FIRST[kinds[first]]) * 4 + before, closings


def _numbered(*kinds: int) -> NDArray[np.uint8]:
    """Return, per combination of kinds, the number of the first of these that it has."""
    found = [
        next((number for number, kind in enumerate(kinds) if kind & each), len(kinds))
        for each in range(1 << 8)
    ]
    return np.array(found, np.uint8)


_FIRST = _numbered(_DIGIT, _UPPER, _LETTER)
_BEFORE = _numbered(_ALNUM, _LINE, _SPACE)


def _has(kinds: NDArray[np.uint8], kind: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (kinds & kind) != 0
    return found


@cache
def _kinds() -> Kinds:
    def kind_of(char: str) -> int:
        return sum(
            bit
            for bit, held in (
                (_SPACE, char.isspace()),
                (_LINE, char == "\n"),
                (_UPPER, char.isupper()),
                (_LETTER, char.isalpha()),
                (_DIGIT, char.isdigit()),
                (_ALNUM, char.isalnum()),
                (_TERMINAL, char in ".!?…"),
                (_CLOSER, char in _CLOSERS),
            )
            if held
        )

    return Kinds(kind_of)
