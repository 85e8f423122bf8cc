"""How much of one text shows in another: normalisation, containment, n-grams."""

from __future__ import annotations

import math
import unicodedata
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property, lru_cache

import regex

from compiler.words import content_stems, stems, words_of

_SPACE = regex.compile(r"\s+")
_SENTENCE_END = regex.compile(r"(?<=[.!?])\s+")
_SEPARATOR = regex.compile(r"[\x1c-\x1f]")
_EDGE = regex.compile(r"[\W_]+")
_LONG = 400
# Two sentences with so large a share of their words in common, in order, are near copies.
_NEAR = 0.87
# Shorter sentences are alike by chance.
_FEWEST = 5


def squash(text: str) -> str:
    """NFKC, case-folded, whitespace runs as one space: for comparing, never for offsets."""
    # Whole texts come again for every probe of a document, short ones hardly ever.
    return _squash_long(text) if len(text) >= _LONG else _squash(text)


def _squash(text: str) -> str:
    text = text.lower() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    if _SEPARATOR.search(text) is not None:
        # Whitespace to `split`, none to the expression.
        return str(_SPACE.sub(" ", text)).strip()
    return " ".join(text.split())


_squash_long = lru_cache(maxsize=64)(_squash)


def bare(text: str) -> str:
    """`squash` without punctuation at the edges."""
    found = squash(text)
    first = _EDGE.match(found)
    start, end = first.end() if first is not None else 0, len(found)
    while end > start and _EDGE.match(found, end - 1) is not None:
        end -= 1
    return found[start:end]


def recall(of: str, within: frozenset[str]) -> float:
    """Share of the content stems of a text that are among some stems; 0 if it has none."""
    wanted = content_stems(of)
    return len(wanted & within) / len(wanted) if wanted else 0.0


def as_words(text: str) -> str:
    """The words of a text, case-folded, with a space before, between and after them."""
    return f" {' '.join(words_of(text)).casefold()} "


def shares_words(text: str, lines: Iterable[str], n: int) -> bool:
    """Whether `n` words in a row of a text stand so in one of `lines` (`as_words`)."""
    words = as_words(text).split()
    rows = [f" {' '.join(words[at : at + n])} " for at in range(len(words) - n + 1)]
    return any(row in line for line in lines for row in rows)


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


def support(atom: str, others: Iterable[str]) -> int:
    """How many other texts hold most of an atom's content: at least 60% of its content stems."""
    wanted = content_stems(atom)
    if not wanted:
        return 0
    return sum(len(wanted & stems(other)) >= 0.6 * len(wanted) for other in others)


def similar(left: str, right: str) -> float:
    """Share of words that two texts have in common, in order: 2 M / T as difflib's ratio, where M
    is the longest common subsequence.
    """
    return _similar(left.split(), right.split())


def _similar(left: Sequence[str], right: Sequence[str]) -> float:
    total = len(left) + len(right)
    return 2 * _in_common(left, right) / total if total else 1.0


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


class Sentences:
    """The distinct sentences of some squashed texts, found by the words in them."""

    def __init__(self, squashed: Sequence[str]) -> None:
        self._texts = squashed

    @cached_property
    def _words(self) -> list[list[str]]:
        found = dict.fromkeys(s for text in self._texts for s in _SENTENCE_END.split(text))
        return [words for s in found if len(words := s.split()) >= _FEWEST]

    @cached_property
    def _holders(self) -> Mapping[str, list[int]]:
        holders: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for word in words:
                holders[word].append(number)
        return holders

    def near_copy(self, text: str) -> str | None:
        """The sentence of `text` that copies one of these but for a word in eight, if any does."""
        for own in _SENTENCE_END.split(squash(text)):
            words = own.split()
            if len(words) >= _FEWEST and any(
                _similar(words, self._words[number]) > _NEAR for number in self._likely(words)
            ):
                return own
        return None

    def _likely(self, words: list[str]) -> list[int]:
        """The sentences that may be so alike."""
        size = len(words)
        # Of two alike, the longer has at most so many words more than the shorter, and all but
        # `missing` words of this one are in the other.
        most = size * _NEAR / (2 - _NEAR)
        missing = size - math.ceil(most)
        # Mostly too many words stand nowhere, and the texts need not be taken apart.
        if sum(not any(word in text for text in self._texts) for word in words) > missing:
            return []
        # Of any more words than may be missing, one at least is there.
        held = sorted((self._holders.get(word, ()) for word in words), key=len)
        found = {number for numbers in held[: missing + 1] for number in numbers}
        return [n for n in found if most <= len(self._words[n]) <= size * (2 - _NEAR) / _NEAR]


@lru_cache(maxsize=4)
def sentences(squashed: tuple[str, ...]) -> Sentences:
    """The sentences of some squashed texts; those of one document are asked for by each probe."""
    return Sentences(squashed)
