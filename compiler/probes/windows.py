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
_IN_A_LINE, _SPACED, _NEW_LINE = range(3)
_NEITHER = 255


class Windows:
    """The windows of tokenised texts.

    Arrays have one entry per token of each text, and one for its end: the class of the windows that
    start there, of those that end there, and the offset. Entries are `_NEITHER` and -1 if the text
    cannot be cut there.
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
        self._openings = openings
        self._closings = closings
        self._offsets = offsets
        self._firsts = firsts

    @classmethod
    def of(cls, text: str, tokens: Tokens) -> Windows:
        """Classify the windows of one text."""
        clean, before = np.array(tokens.clean), np.array(tokens.before)
        kinds = np.concatenate([_kinds().of(text), np.zeros(1, np.uint8)])
        size = int(before[-1]) + 1
        openings, closings = np.full((2, size), _NEITHER, np.uint8)
        # No window begins at the end of a text.
        openings[before[:-1]] = _openings(kinds, clean[:-1])
        closings[before] = _closings(kinds[:-1], clean)
        offsets = np.full(size, -1, np.int32)
        offsets[before] = clean
        return cls([text], openings, closings, offsets, [0])

    @classmethod
    def joined(cls, parts: Sequence[Windows]) -> Windows:
        """Concatenate the windows of several sources."""
        sizes = [len(part._openings) for part in parts]
        starts = accumulate(sizes, initial=0)
        return cls(
            [text for part in parts for text in part._texts],
            np.concatenate([part._openings for part in parts] or [np.zeros(0, np.uint8)]),
            np.concatenate([part._closings for part in parts] or [np.zeros(0, np.uint8)]),
            np.concatenate([part._offsets for part in parts] or [np.zeros(0, np.int32)]),
            [
                start + first
                for start, part in zip(starts, parts, strict=False)
                for first in part._firsts
            ],
        )

    def opening_at(self, token: int) -> int:
        """Return the class of the beginning of windows that start at a token."""
        return int(self._openings[token])

    def places(self, opening: int, closing: int | None, count: int) -> NDArray[np.int64]:
        """Return the places of windows of `count` tokens that begin as `opening`, for `window`.

        They also end as `closing`, unless it is None.
        """
        return self.among(np.flatnonzero(self._openings == opening), opening, closing, count)

    def among(
        self, starts: NDArray[np.int64], opening: int, closing: int | None, count: int
    ) -> NDArray[np.int64]:
        """Return the places among `starts` where `places` finds a window."""
        size = len(self._openings)
        starts = starts[(starts >= 0) & (starts < size - count)]
        held = self._openings[starts] == opening
        ends = self._closings[starts + count]
        held &= ends != _NEITHER if closing is None else ends == closing
        # Other windows would end in the next text.
        held &= self.text_of(starts) == self.text_of(starts + count)
        found: NDArray[np.int64] = starts[held]
        return found

    def text_of(self, places: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number of the text of each place."""
        found: NDArray[np.int64] = np.searchsorted(self._firsts, places, "right") - 1
        return found

    @property
    def text(self) -> str:
        """The first text."""
        return self._texts[0]

    @property
    def offsets(self) -> NDArray[np.int32]:
        """The offset of each place, -1 where the text cannot be cut."""
        return self._offsets

    def window(self, place: int, count: int) -> str:
        """Return the window of `count` tokens at a place from `places`."""
        text = self._texts[bisect_right(self._firsts, place) - 1]
        return text[self._offsets[place] : self._offsets[place + count]]


OPENINGS = 3 * 4 * 4


def _openings(kinds: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Classify the beginning of windows at the given offsets, as numbers below `OPENINGS`.

    Leading whitespace (none, space, line), the first visible character (digit, upper, lower, other)
    and, without leading whitespace, the character before it (word, line start, space, other).
    `kinds`: kinds of the text's characters, and a final 0.
    """
    visible = _next(~_has(kinds, _SPACE))
    line = _next(_has(kinds, _LINE))
    first = kinds[visible[at]]
    space = np.where(
        visible[at] == at, _IN_A_LINE, np.where(line[at] < visible[at], _NEW_LINE, _SPACED)
    )
    letter = np.select(
        [_has(first, _DIGIT), _has(first, _UPPER), _has(first, _LETTER)], [0, 1, 2], 3
    )
    # The start of the text counts as the start of a line.
    last = np.where(at == 0, _LINE, kinds[at - 1])
    held = [_has(last, _ALNUM), _has(last, _LINE), _has(last, _SPACE)]
    before = np.where(space == _IN_A_LINE, np.select(held, [0, 1, 2], 3), 0)
    found: NDArray[np.int64] = (space * 4 + letter) * 4 + before
    return found


def _closings(kinds: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """Compute `closing_of` of the text before each offset."""
    # Padded in front, so that every offset has a character before it.
    padded = np.concatenate([np.zeros(1, np.uint8), kinds])
    visible = _last(~_has(padded, _SPACE))
    line = _last(_has(padded, _LINE))
    core = _last(~_has(padded, _CLOSER))[visible[at]]
    sentence = _has(padded[core], _TERMINAL)
    found: NDArray[np.int64] = np.where(
        line[at] > visible[at], LINE_END, np.where(sentence, SENTENCE, MIDDLE)
    )
    return found


def _has(kinds: NDArray[np.uint8], kind: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (kinds & kind) != 0
    return found


def _next(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, per place, the first True place from there on, the length if there is none."""
    size = len(held)
    places = np.where(held, np.arange(size), size)
    found: NDArray[np.int64] = np.minimum.accumulate(places[::-1])[::-1]
    return found


def _last(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return, per place, the last True place up to it, 0 if there is none."""
    found: NDArray[np.int64] = np.maximum.accumulate(np.where(held, np.arange(len(held)), 0))
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
