"""Loops: text that repeats itself, word for word or in a frame of which a few words change.

A token is covered if a pattern that it belongs to occurred up to `BACK` tokens earlier. Patterns
are four consecutive tokens, or four of the next five or six with a gap of one or two inside, so
that "the 3rd star is not visible" repeats "the 4th star is not visible". Numbers are equal to one
another, and markup does not count.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import islice

import numpy as np
import regex
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
_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_TOKEN = regex.compile(
    # Most words, first because it is several times faster.
    r"[a-z]+(?![\p{L}\p{M}])|<[^<>]{1,80}>|"
    rf"[{_UNSPACED}]|(?:[\p{{L}}--[{_UNSPACED}]]+\p{{M}}*)+|\p{{N}}+|[^\s\p{{L}}\p{{N}}]",
    regex.V1,
)
_ODD = np.uint64(0x9E3779B97F4A7C15)


class _Numbers(dict[str, int]):
    """A number for each token; those that are equal for a pattern have the same."""

    def __init__(self) -> None:
        self._names: dict[str, int] = {}

    def __missing__(self, token: str) -> int:
        name = "0" if token[0].isdigit() else token.casefold()
        number = self[token] = self._names.setdefault(name, len(self._names) + 1)
        return number


# A filter asks for onset and coverage of the same text.
@lru_cache(maxsize=1)
def tokens(text: str) -> NDArray[np.int64]:
    """Number the words, numbers and signs of a text, without markup tags, in order."""
    found = [token for token in _TOKEN.findall(text) if not _is_markup(token)]
    return np.fromiter(map(_Numbers().__getitem__, found), np.int64, len(found))


def _is_markup(token: str) -> bool:
    return token[0] == "<" and len(token) > 1


def _offset(text: str, place: int) -> int:
    """Return the offset of a token from `tokens`."""
    kept = (match for match in _TOKEN.finditer(text) if not _is_markup(match.group()))
    return next(islice(kept, place, None)).start()


def covered(found: NDArray[np.int64], back: int = BACK) -> NDArray[np.bool_]:
    """Mark the tokens inside a pattern that occurred earlier, within `back` tokens.

    Returns: one bool per token.
    """
    numbers = found.astype(np.uint64)
    marked = np.zeros(len(numbers), bool)
    for pattern in _PATTERNS:
        span = pattern[-1] + 1
        keys = _keys(numbers, pattern)
        if len(keys) < 2:
            continue
        order = np.argsort(keys, kind="stable")
        same = keys[order[1:]] == keys[order[:-1]]
        gap = order[1:] - order[:-1]
        again = order[1:][same & (gap >= span) & (gap <= back)]
        for step in range(span):
            marked[again + step] = True
    return marked


def _keys(numbers: NDArray[np.uint64], pattern: tuple[int, ...]) -> NDArray[np.uint64]:
    """Hash the tokens of a pattern at each place where it fits."""
    count = max(0, len(numbers) - pattern[-1])
    keys = np.zeros(count, np.uint64)
    for place in pattern:
        keys = (keys + numbers[place : place + count]) * _ODD
    return keys


def onset(text: str, window: int, share: float) -> int | None:
    """Find where a text begins to loop.

    `window`: tokens of which at least a `share` must be covered. Texts shorter than a window are
    measured as a whole.

    Returns: the offset of the first covered token of the first such window, None if there is none.
    """
    marked = covered(tokens(text))
    if not len(marked):
        return None
    size = min(window, len(marked))
    sums = np.concatenate([[0], np.cumsum(marked)])
    looping = np.flatnonzero(sums[size:] - sums[:-size] >= share * size)
    if not len(looping):
        return None
    first = int(looping[0])
    return _offset(text, first + int(np.argmax(marked[first:])))


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
    numbers = tokens(text).astype(np.uint64)
    keys = _keys(numbers, _PATTERNS[0])
    if len(keys) < 2:
        return 0.0
    _, first = np.unique(keys, return_index=True)
    later = np.ones(len(keys), bool)
    later[first] = False
    marked = np.zeros(len(numbers), bool)
    for step in range(4):
        marked[np.flatnonzero(later) + step] = True
    return float(marked.mean())
