"""Loops: text that repeats itself, word for word or in a frame of which a few words change.

A token is covered if a pattern that it belongs to occurred up to `BACK` tokens earlier. Patterns
are four consecutive tokens, or four of the next five or six with a gap of one or two inside, so
that "the 3rd star is not visible" repeats "the 4th star is not visible". Numbers are equal to one
another, and markup does not count.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from itertools import islice

import numpy as np
import regex
from numpy.typing import NDArray

from compiler.words import Chunks

# The tokens of a pattern, as distances from its first one.
_PATTERNS = (
    (0, 1, 2, 3),
    *((0, 2, 3, 4), (0, 1, 3, 4), (0, 1, 2, 4)),
    *((0, 3, 4, 5), (0, 1, 4, 5), (0, 1, 2, 5)),
)
_STEPS = np.array(_PATTERNS).T
_SPANS = _STEPS[-1] + 1
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
# Only markup tags hold whitespace; `str.split` also splits at four control characters.
_NOT_CHUNKED = "<\x1c\x1d\x1e\x1f"


# A filter asks for onset and coverage of the same text.
@lru_cache(maxsize=1)
def tokens(text: str) -> NDArray[np.uint64]:
    """Return a number for each word, number and sign of a text, without markup tags, in order.

    Tokens that are equal for a pattern have the same number, in every text.
    """
    chunks = [text] if any(sign in text for sign in _NOT_CHUNKED) else text.split()
    return np.frombuffer(b"".join(map(_digests.__getitem__, chunks)), np.uint64)


def _digests_of(chunk: str) -> bytes:
    """Return eight bytes per token, a digest that is the same for equal tokens."""
    # Most chunks are one word, where the expression is slow.
    found = [chunk] if chunk.isascii() and chunk.isalpha() else _TOKEN.findall(chunk)
    names = ["0" if token[0].isdigit() else token.casefold() for token in found]
    return b"".join(
        blake2b(name.encode("utf-8", "surrogatepass"), digest_size=8).digest()
        for name in names
        if not _is_markup(name)
    )


_digests = Chunks(_digests_of)


def _is_markup(token: str) -> bool:
    return token[0] == "<" and len(token) > 1


def _offset(text: str, place: int) -> int:
    """Return the offset of a token from `tokens`."""
    kept = (match for match in _TOKEN.finditer(text) if not _is_markup(match.group()))
    return next(islice(kept, place, None)).start()


def covered(numbers: NDArray[np.uint64], back: int = BACK) -> NDArray[np.bool_]:
    """Mark the tokens inside a pattern that occurred earlier, within `back` tokens.

    Returns: one bool per token.
    """
    size = len(numbers)
    pairs = _keys(numbers, (0, 1))
    recurring = np.zeros(size + _SPANS.max(), bool)
    for places in _repeated(pairs, np.arange(len(pairs)), back):
        recurring[places] = True
    # Every pattern has pairs of neighbours, and few places of most texts have only recurring ones.
    fits = [
        np.logical_and.reduce([recurring[at : at + size] for at in pattern if at + 1 in pattern])
        for pattern in _PATTERNS
    ]
    which, places = np.nonzero(np.array(fits))
    within = places + _SPANS[which] <= size
    which, places = which[within], places[within]
    keys = which.astype(np.uint64) * _ODD
    for steps in _STEPS:
        keys = (keys + numbers[places + steps[which]]) * _ODD
    earlier, later = _repeated(keys, places, back)
    far = places[later] - places[earlier] >= _SPANS[which[later]]
    starts, spans = places[later][far], _SPANS[which[later]][far]
    marked = np.zeros(size, bool)
    for step in range(_SPANS.max()):
        marked[starts[spans > step] + step] = True
    return marked


def _repeated(
    keys: NDArray[np.uint64], places: NDArray[np.int64], back: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Find the keys that occurred earlier, within `back` places of the nearest earlier one.

    Returns: the indices of the earlier ones, and those of the later ones.
    """
    order = np.argsort(keys, kind="stable")
    earlier, later = order[:-1], order[1:]
    found = (keys[later] == keys[earlier]) & (places[later] - places[earlier] <= back)
    return earlier[found], later[found]


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
    numbers = tokens(text)
    keys = _keys(numbers, _PATTERNS[0])
    if len(keys) < 2:
        return 0.0
    _, later = _repeated(keys, np.arange(len(keys)), len(keys))
    marked = np.zeros(len(numbers), bool)
    for step in range(4):
        marked[later + step] = True
    return float(marked.mean())
