"""How windows of tokens begin and end, for all places of a document at once.

A window is an alternative only if it begins, and where that shows ends, as the atom does: who sees
neither can then not tell the two apart by their edges.
"""

from __future__ import annotations

from functools import cache

import numpy as np
import regex
from numpy.typing import NDArray

from compiler.characters import Kinds
from compiler.probes.tokens import Tokens

_SPACE, _LINE, _UPPER, _LETTER, _DIGIT, _ALNUM, _TERMINAL, _CLOSER = (1 << n for n in range(8))
_CLOSERS = '"”’)]'
_CLOSE = regex.compile(r"[.!?…][\"”’)\]]*$")
_IN_A_LINE, _SPACED, _NEW_LINE = range(3)
_MIDDLE, _SENTENCE, _LINE_END = range(3)


class Windows:
    """A text with its tokens, as a source of windows."""

    def __init__(self, text: str, tokens: Tokens) -> None:
        self.text = text
        self._clean = np.asarray(tokens.clean)
        self._before = np.asarray(tokens.before)
        kinds = np.concatenate([_kinds().of(text), np.zeros(1, np.uint8)])
        self._openings = _openings(kinds, self._clean[:-1])
        self._closings = _closings(kinds[:-1], self._clean)
        self._counts = np.bincount(self._openings, minlength=OPENINGS)

    @property
    def counts(self) -> NDArray[np.int64]:
        """By opening, at how many places a window begins so."""
        return self._counts

    def opening_at(self, offset: int) -> int:
        """How a window that starts at a clean offset begins."""
        return int(self._openings[self._clean.searchsorted(offset)])

    def places(self, opening: int, closing: int | None, count: int) -> NDArray[np.int64]:
        """The windows of `count` tokens that begin as `opening` and end as `closing`, if it is not
        None: numbers for `window`.
        """
        starts = np.flatnonzero(self._openings == opening)
        wanted = self._before[starts] + count
        ends = self._before.searchsorted(wanted)
        held = ends < len(self._before)
        starts, ends, wanted = starts[held], ends[held], wanted[held]
        held = self._before[ends] == wanted
        if closing is not None:
            held &= self._closings[ends] == closing
        found: NDArray[np.int64] = starts[held]
        return found

    def window(self, place: int, count: int) -> str:
        """The window of `count` tokens at a place that `places` gave."""
        end = self._before.searchsorted(self._before[place] + count)
        return self.text[self._clean[place] : self._clean[end]]


OPENINGS = 3 * 4 * 4


def _openings(kinds: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """How windows begin that start at some offsets, as numbers below `OPENINGS`.

    Leading whitespace (none, space, line), the first visible character (digit, upper, lower, other)
    and, without whitespace of its own, what stands before it (word, start of a line, space, other).
    `kinds`: of the text's characters and one more, which is 0.
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
    # Before the first character is the start of a line.
    last = np.where(at == 0, _LINE, kinds[at - 1])
    held = [_has(last, _ALNUM), _has(last, _LINE), _has(last, _SPACE)]
    before = np.where(space == _IN_A_LINE, np.select(held, [0, 1, 2], 3), 0)
    found: NDArray[np.int64] = (space * 4 + letter) * 4 + before
    return found


def closing_of(text: str) -> int:
    """How a window ends: with a line, with a sentence, or in the middle of one."""
    body = text.rstrip()
    if "\n" in text[len(body) :]:
        return _LINE_END
    return _SENTENCE if _CLOSE.search(body) else _MIDDLE


def _closings(kinds: NDArray[np.uint8], at: NDArray[np.int64]) -> NDArray[np.int64]:
    """`closing_of` what ends at each offset, as far as the text before it tells."""
    # One more in front, so that each has a character before it.
    padded = np.concatenate([np.zeros(1, np.uint8), kinds])
    visible = _last(~_has(padded, _SPACE))
    line = _last(_has(padded, _LINE))
    core = _last(~_has(padded, _CLOSER))[visible[at]]
    sentence = _has(padded[core], _TERMINAL)
    found: NDArray[np.int64] = np.where(
        line[at] > visible[at], _LINE_END, np.where(sentence, _SENTENCE, _MIDDLE)
    )
    return found


def _has(kinds: NDArray[np.uint8], kind: int) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (kinds & kind) != 0
    return found


def _next(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """By place, the first place from there on that is held; beyond the end if there is none."""
    size = len(held)
    places = np.where(held, np.arange(size), size)
    found: NDArray[np.int64] = np.minimum.accumulate(places[::-1])[::-1]
    return found


def _last(held: NDArray[np.bool_]) -> NDArray[np.int64]:
    """By place, the last place up to it that is held; 0 if there is none."""
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
