"""How much of one text shows in another: normalisation, containment, n-grams."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Iterable
from functools import lru_cache

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


def recall(of: str, within: str) -> float:
    """Share of the content stems of one text that occur in another; 0 if it has none."""
    wanted = content_stems(of)
    return len(wanted & stems(within)) / len(wanted) if wanted else 0.0


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Word n-grams of a text, normalised."""
    tokens = [word.casefold() for word in words_of(text)]
    return set(zip(*(tokens[i:] for i in range(n)), strict=False))


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
    """Share of words that two texts have in common, in order (difflib ratio), 0 if far apart."""
    return _similar(left.split(), right.split())


def _similar(left: list[str], right: list[str]) -> float:
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    near = matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8
    return matcher.ratio() if near else 0.0


class Sentences:
    """The distinct sentences of some squashed texts, found by the words in them."""

    def __init__(self, squashed: Iterable[str]) -> None:
        found = {tuple(s.split()) for text in squashed for s in _SENTENCE_END.split(text)}
        self._words = [words for words in sorted(found) if len(words) >= _FEWEST]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for number, words in enumerate(self._words):
            for word in set(words):
                self._holders[word].append(number)

    def near_copy(self, text: str) -> str | None:
        """The sentence of `text` that copies one of these but for a word in eight, if any does."""
        for own in _SENTENCE_END.split(squash(text)):
            words = own.split()
            if len(words) >= _FEWEST and any(
                _similar(words, [*self._words[number]]) > _NEAR for number in self._likely(words)
            ):
                return own
        return None

    def _likely(self, words: list[str]) -> list[int]:
        """The sentences about as long that have enough words in common, whatever their order."""
        shared: Counter[int] = Counter()
        for word, count in Counter(words).items():
            for number in self._holders.get(word, ()):
                shared[number] += count
        size = len(words)
        return [
            number
            for number, count in shared.items()
            if 0.75 < (other := len(self._words[number])) / size < 1.34
            and 2 * count > _NEAR * (size + other)
        ]


@lru_cache(maxsize=4)
def sentences(squashed: tuple[str, ...]) -> Sentences:
    """The sentences of some squashed texts; those of one document are asked for by each probe."""
    return Sentences(squashed)
