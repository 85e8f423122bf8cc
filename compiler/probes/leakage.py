"""Comparison of texts: normalisation, verbatim containment, longest common subsequence."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

from compiler.patterns import pattern
from compiler.words import words_of

SEPARATORS = "\x1c\x1d\x1e\x1f"
"""Whitespace to `str.split` but not to expressions; a squashed text keeps them inside."""

# Other whitespace that NFKC leaves unchanged.
_BLANKS = "\t\v\f\r\x85\u1680\u2028\u2029"
_EDGE = pattern(r"[\W_]+")
_LONG = 400


def squash(text: str) -> str:
    """Normalise a text for comparison: NFKC, case-folded, whitespace runs as one space.

    Offsets change, so the result serves comparison only.
    """
    # Whole texts recur for every probe of a document, short ones hardly ever.
    return _squash_long(text) if len(text) >= _LONG else _squash(text)


def _squash(text: str) -> str:
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    # Faster than `split` and `join`: few kinds of whitespace, and few doubled spaces, occur.
    for blank in _BLANKS:
        if blank in text:
            text = text.replace(blank, "\n")
    if "\n" in text:
        text = " ".join([line for each in text.split("\n") if (line := each.strip(" "))])
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip()


_squash_long = lru_cache(maxsize=64)(_squash)


# The checks of a probe compare the same three texts repeatedly.
@lru_cache(maxsize=16)
def bare(text: str) -> str:
    """Squash a text and strip punctuation from its ends."""
    found = squash(text)
    first = _EDGE.match(found)
    start, end = first.end() if first is not None else 0, len(found)
    while end > start and _EDGE.match(found, end - 1) is not None:
        end -= 1
    return found[start:end]


def as_words(text: str) -> str:
    """Return the words of a text, case-folded, with a space before, between and after them."""
    return f" {' '.join(words_of(text)).casefold()} "


def verbatim_in(text: str, others: Iterable[str]) -> bool:
    """Return whether a text occurs, as whole words, in any of the squashed `others`."""
    wanted = bare(text)
    return bool(wanted) and any(_occurs(wanted, other) for other in others)


def _occurs(wanted: str, text: str) -> bool:
    at = text.find(wanted)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 1]
        if not (wanted[0].isalnum() and before.isalnum()) and not (
            wanted[-1].isalnum() and after.isalnum()
        ):
            return True
        at = text.find(wanted, at + 1)
    return False


def alike(left: Sequence[str], right: Sequence[str], share: float) -> bool:
    """Return whether two sequences of words are more similar than `share`.

    Similarity is 2 M / T, as in difflib's ratio, where M is the length of the longest common
    subsequence and T the total number of words, which must not be 0.
    """
    total = len(left) + len(right)
    # An upper bound on the common subsequence, which usually decides.
    most = min(_held(left, right), _held(right, left))
    return 2 * most / total > share and 2 * _in_common(left, right) / total > share


def _held(words: Sequence[str], within: Sequence[str]) -> int:
    """Count the words that are among others."""
    return sum(map(set(within).__contains__, words))


def _in_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Compute the length of the longest common subsequence, with one bit per word of `left`.

    Source: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
    """
    places: dict[str, int] = {}
    for number, word in enumerate(left):
        places[word] = places.get(word, 0) | 1 << number
    every = (1 << len(left)) - 1
    open_ = every
    for word in right:
        matched = open_ & places.get(word, 0)
        open_ = ((open_ + matched) | (open_ - matched)) & every
    return len(left) - open_.bit_count()
