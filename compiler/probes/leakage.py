"""How much of one text shows in another: normalisation, containment, n-grams."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from functools import lru_cache

import regex

from compiler.words import words_of

SEPARATORS = "\x1c\x1d\x1e\x1f"
"""Whitespace to `str.split` and none to expressions: stays in a squashed text, but at its ends."""

# What other whitespace NFKC leaves as it is.
_BLANKS = "\t\v\f\r\x85\u1680\u2028\u2029"
_EDGE = regex.compile(r"[\W_]+")
_LONG = 400


def squash(text: str) -> str:
    """NFKC, case-folded, whitespace runs as one space: for comparing, never for offsets."""
    # Whole texts come again for every probe of a document, short ones hardly ever.
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


# Each check of a probe asks about the same three texts again.
@lru_cache(maxsize=16)
def bare(text: str) -> str:
    """`squash` without punctuation at the edges."""
    found = squash(text)
    first = _EDGE.match(found)
    start, end = first.end() if first is not None else 0, len(found)
    while end > start and _EDGE.match(found, end - 1) is not None:
        end -= 1
    return found[start:end]


def as_words(text: str) -> str:
    """The words of a text, case-folded, with a space before, between and after them."""
    return f" {' '.join(words_of(text)).casefold()} "


def verbatim_in(text: str, others: Iterable[str]) -> bool:
    """Whether a text occurs, as whole words, in any of the squashed `others`."""
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
    """Whether two texts, cut into words, have more than a share of their words in common, in order.

    The share is 2 M / T as difflib's ratio, where M is the longest common subsequence; at least one
    of the two has a word.
    """
    total = len(left) + len(right)
    # No more than this is in common, which mostly says it all.
    most = min(_held(left, right), _held(right, left))
    return 2 * most / total > share and 2 * _in_common(left, right) / total > share


def _held(words: Sequence[str], within: Sequence[str]) -> int:
    """How many words are among others."""
    return sum(map(set(within).__contains__, words))


def _in_common(left: Sequence[str], right: Sequence[str]) -> int:
    """Length of the longest common subsequence.

    A bit per word of `left`: Hyyrö, "Bit-parallel LCS-length computation revisited" (2004).
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
