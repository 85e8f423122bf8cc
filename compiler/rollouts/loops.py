"""Loops: text that repeats itself, word for word or in a frame of which a few words change.

A token is covered if a pattern that it belongs to occurred up to `BACK` tokens earlier. Patterns
are four consecutive tokens, or four of the next five or six with a gap of one or two inside, so
that "the 3rd star is not visible" repeats "the 4th star is not visible". Numbers are equal to one
another, and markup does not count.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import regex
from msgspec import Struct
from numpy.typing import NDArray

# The tokens of a pattern, as distances from its first one.
_PATTERNS = (
    (0, 1, 2, 3),
    *((0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4)),
    *((0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
)
# A pattern counts as repeated if it occurred at most so many tokens earlier.
BACK = 120
# A character is a token where words are not spaced.
_UNSPACED = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_TOKEN = regex.compile(
    rf"<[^<>]{{1,80}}>|{_UNSPACED}|(?:(?!{_UNSPACED})\p{{L}}\p{{M}}*)+|\p{{N}}+|[^\s\p{{L}}\p{{N}}]"
)
_ODD = np.uint64(0x9E3779B97F4A7C15)


class Tokens(Struct, frozen=True):
    """The tokens of a text: their offsets, and numbers that are equal for equal tokens."""

    starts: NDArray[np.int64]
    numbers: NDArray[np.int64]


# A filter asks for onset and coverage of the same text.
@lru_cache(maxsize=1)
def tokens(text: str) -> Tokens:
    """Split a text into words, numbers and signs, without markup tags."""
    known: dict[str, int] = {}
    starts: list[int] = []
    numbers: list[int] = []
    for match in _TOKEN.finditer(text):
        token = match.group()
        if len(token) > 1 and token[0] == "<":
            continue
        name = "0" if token[0].isdigit() else token.casefold()
        starts.append(match.start())
        numbers.append(known.setdefault(name, len(known) + 1))
    return Tokens(np.array(starts, np.int64), np.array(numbers, np.int64))


def covered(found: Tokens, back: int = BACK) -> NDArray[np.bool_]:
    """Mark the tokens inside a pattern that occurred earlier, within `back` tokens.

    Returns: one bool per token.
    """
    numbers = found.numbers.astype(np.uint64)
    marked = np.zeros(len(numbers), bool)
    for pattern in _PATTERNS:
        span = pattern[-1] + 1
        count = len(numbers) - span + 1
        if count < 2:
            continue
        keys = np.zeros(count, np.uint64)
        for place in pattern:
            keys = (keys + numbers[place : place + count]) * _ODD
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        gap = order[1:] - order[:-1]
        again = order[1:][same & (gap >= span) & (gap <= back)]
        for step in range(span):
            marked[again + step] = True
    return marked


def onset(text: str, window: int, share: float) -> int | None:
    """Find where a text begins to loop.

    `window`: tokens of which at least a `share` must be covered. Texts shorter than a window are
    measured as a whole.

    Returns: the offset of the first covered token of the first such window, None if there is none.
    """
    found = tokens(text)
    marked = covered(found)
    if not len(marked):
        return None
    size = min(window, len(marked))
    sums = np.concatenate([[0], np.cumsum(marked)])
    looping = np.flatnonzero(sums[size:] - sums[:-size] >= share * size)
    if not len(looping):
        return None
    first = int(looping[0])
    return int(found.starts[first + int(np.argmax(marked[first:]))])


def worst(text: str, window: int) -> float:
    """Compute the largest share of covered tokens in any window of a text, 0 without tokens."""
    marked = covered(tokens(text))
    if not len(marked):
        return 0.0
    size = min(window, len(marked))
    sums = np.concatenate([[0], np.cumsum(marked)])
    return float((sums[size:] - sums[:-size]).max() / size)


def coverage(text: str) -> float:
    """Compute the share of tokens that are inside four consecutive tokens seen earlier.

    At any distance, and without gaps; 0 for texts of fewer than five tokens. Source: duplicate
    n-gram fractions of Rae et al. 2021 (arXiv 2112.11446), table A1, here over tokens.
    """
    numbers = tokens(text).numbers
    count = len(numbers) - 3
    if count < 2:
        return 0.0
    grams = np.stack([numbers[place : place + count] for place in range(4)], axis=1)
    _, first = np.unique(grams, axis=0, return_index=True)
    later = np.ones(count, bool)
    later[first] = False
    marked = np.zeros(len(numbers), bool)
    for step in range(4):
        marked[np.flatnonzero(later) + step] = True
    return float(marked.mean())
