"""Words as both the domain and the embedded model see them: tokens, stems, content words."""

from __future__ import annotations

import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Sequence
from functools import cache, lru_cache
from itertools import chain, combinations
from typing import TYPE_CHECKING, TypeVar
from unicodedata import normalize

import regex

if TYPE_CHECKING:
    from compiler.characters import Kinds

WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’\-][\p{L}\p{M}]+)*|\p{N}+(?:[.,]\p{N}+)*")
_LATIN = regex.compile(r"\p{Latin}")

STOPWORDS = frozenset(
    """a about above across after again against all almost along already also although always am
    among an and another any anybody anyone anything anywhere are around as at away back be
    became because become becomes been before behind being below between beyond both but by came
    can cannot come could did do does doing done down during each either else enough even ever
    every everyone everything everywhere few first for from further gave get give given go goes
    going gone got had has have having he her here hers herself him himself his how however i if
    in indeed instead into is it its itself just keep kept last least less let like likely made
    make makes making many may maybe me might mine more moreover most mostly much must my myself
    near neither never nevertheless next no nobody none nor not nothing now nowhere of off often
    on once one only onto or other others otherwise our ours ourselves out over own per perhaps
    put quite rather really said same say says second see seem seemed seems several shall she
    should since so some somehow someone something sometimes somewhere still such take taken
    than that the their theirs them themselves then there thereby therefore these they thing
    things third this those though three through throughout thus to together too took toward
    towards two under until up upon us use used using very was way we well went were what
    whatever when whenever where whereas wherever whether which while who whoever whole whom
    whose why will with within without would yet you your yours yourself yourselves""".split()
)


_ENDINGS = tuple(
    """ations ation ingly edly ness ments ment ings ions ives ities ion ive ity ing ies ied ful ers
    est er ed es ly s""".split()
)


# Shorter texts are not asked about again; whole documents are, by every probe on them.
_LONG = 400

T = TypeVar("T")


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A simple English stem: case-folded, possessive and common inflections cut.

    Errs on the side of merging: it is used to keep related words out.
    """
    # Composed or not, it is one word.
    low = (word if word.isascii() else normalize("NFKC", word)).casefold().replace("’", "'")
    low = low.removesuffix("'s").removesuffix("'")
    # Most words have no ending, which one question tells.
    for ending in _ENDINGS if low.endswith(_ENDINGS) else ():
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            low = low[: -len(ending)]
            break
    # study, studies, studying; secure, security: what is left may still end in a vowel sign.
    return low[:-1] if len(low) > 3 and low[-1] in "eiy" else low


@lru_cache(maxsize=1 << 17)
def is_content(word: str) -> bool:
    """Whether a word carries content: letters mostly, not a stopword, 4 letters if Latin."""
    if not word.isascii():
        word = normalize("NFKC", word)
    letters = sum(char.isalpha() for char in word)
    if letters < 0.8 * len(word) or word.casefold().replace("’", "'") in STOPWORDS:
        return False
    return len(word) >= 4 or (_LATIN.search(word) is None and len(word) >= 1)


def words_of(text: str) -> Sequence[str]:
    """The words of a text, in order."""
    return _words_of_long(text) if len(text) >= _LONG else WORD.findall(text)


@lru_cache(maxsize=64)
def _words_of_long(text: str) -> tuple[str, ...]:
    return tuple([text[start:end] for start, end in zip(*spans_of(text), strict=True)])


def spans_of(text: str) -> tuple[list[int], list[int]]:
    """Where the words of a text start, and where they end."""
    return _spans_of_long(text) if len(text) >= _LONG else _spans_within(text, 0, len(text))


def _spans_within(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    found = [match.span() for match in WORD.finditer(text, start, end)]
    return [each for each, _ in found], [each for _, each in found]


@lru_cache(maxsize=64)
def _spans_of_long(text: str) -> tuple[list[int], list[int]]:
    """What `WORD` finds, by looking up each character: a text has a thousand words."""
    import numpy as np

    # No character at either end, so that every word has one before and one after it.
    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds().of(text)
    # A joiner is part of the word if it stands between two characters of the kind that it joins.
    joiners = np.flatnonzero(kinds > _NUMBER)
    joined = kinds[joiners] - _NUMBER
    held = (kinds[joiners - 1] == joined) & (kinds[joiners + 1] == joined)
    kinds[joiners] = np.where(held, joined, 0)
    edges = np.flatnonzero(kinds[1:] != kinds[:-1])
    starts, ends = edges[kinds[edges + 1] > 0], edges[kinds[edges] > 0]
    return starts.tolist(), ends.tolist()


_LETTER, _NUMBER = 1, 2
_KINDS = {_LETTER: r"[\p{L}\p{M}]", _NUMBER: r"\p{N}"}
_JOINERS = {_NUMBER + _LETTER: r"['’\-]", _NUMBER + _NUMBER: r"[.,]"}


@cache
def _kinds() -> Kinds:
    """Letter or mark, number, what joins letters, what joins numbers; 0 is anything else."""
    from compiler.characters import Kinds

    known = {kind: regex.compile(those) for kind, those in (_KINDS | _JOINERS).items()}
    return Kinds(lambda char: next((kind for kind, of in known.items() if of.match(char)), 0))


def spans_between(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    """Where the words between two offsets start and end, counted from the start of the text."""
    starts, ends = spans_of(text)
    found = _between(starts, ends, start, end)
    if found is None:
        return _spans_within(text, start, end)
    return starts[found], ends[found]


def count_between(text: str, start: int, end: int) -> int:
    """How many words lie between two offsets."""
    return counts_between(text, [(start, end)])[0]


def counts_between(text: str, places: Iterable[tuple[int, int]]) -> list[int]:
    """How many words lie between the offsets of each pair."""
    starts, ends = spans_of(text)
    size = len(starts)
    counts = []
    # `_between` written out: a text has a hundred sentences.
    for start, end in places:
        first, last = bisect_left(starts, start), bisect_right(ends, end)
        if (first and ends[first - 1] > start) or (last < size and starts[last] < end):
            counts.append(len(_spans_within(text, start, end)[0]))
        else:
            counts.append(last - first)
    return counts


def _between(starts: list[int], ends: list[int], start: int, end: int) -> slice | None:
    """The words between two offsets; None if an edge cuts one, whose parts may be words."""
    first, last = bisect_left(starts, start), bisect_right(ends, end)
    if (first and ends[first - 1] > start) or (last < len(starts) and starts[last] < end):
        return None
    return slice(first, last)


class Chunks(dict[str, T]):
    """What a function finds in a chunk of text without whitespace, kept if the chunk is short.

    No word has whitespace in it, so the words of a text are those of its chunks (`str.split`), in
    order. Most chunks come again and again.
    """

    _SHORT = 40
    _MOST = 1 << 16

    def __init__(self, find: Callable[[str], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, chunk: str) -> T:
        found = self._find(chunk)
        # What comes often comes early. Without spaces, a chunk is as long as a sentence.
        if len(chunk) <= self._SHORT and len(self) < self._MOST:
            self[chunk] = found
        return found


def words_in(chunk: str) -> Sequence[str]:
    """The words of a chunk without whitespace."""
    # Nearly all chunks are one word and signs, which an expression is slow to find.
    bare = chunk.strip(_SIGNS)
    return [bare] if bare.isascii() and bare.isalpha() else WORD.findall(chunk)


# No part of a word where they begin or end a chunk.
_SIGNS = string.punctuation + "“”‘’–—…"


# The same few texts (sides of a split, siblings) are asked about once per probe.
@lru_cache(maxsize=256)
def content_stems(text: str) -> frozenset[str]:
    """Stems of the content words of a text."""
    return frozenset(chain.from_iterable(map(_content_of.__getitem__, set(text.split()))))


@lru_cache(maxsize=256)
def stems(text: str, start: int = 0, end: int | None = None) -> frozenset[str]:
    """Stems of all words of a text, and of the parts of its hyphenated ones.

    `start`, `end`: of what is between these offsets.
    """
    chunks = set(text[start : len(text) if end is None else end].split())
    return frozenset(chain.from_iterable(map(_stems_of.__getitem__, chunks)))


@lru_cache(maxsize=1 << 17)
def _stems(word: str) -> tuple[str, ...]:
    """The stem of a word, and those of its parts if it is hyphenated."""
    if "-" not in word:
        return (stem(word),)
    parts = word.split("-")
    spans = combinations(range(len(parts) + 1), 2)
    return (stem(word), *(stem("-".join(parts[start:end])) for start, end in spans))


def chunk_stems(chunk: str) -> tuple[str, ...]:
    """What `stems` finds in a chunk without whitespace; a stem may come twice."""
    return _stems_of[chunk]


_stems_of = Chunks(lambda chunk: tuple(chain.from_iterable(map(_stems, words_in(chunk)))))
_content_of = Chunks(
    lambda chunk: tuple([stem(word) for word in words_in(chunk) if is_content(word)])
)


def says_nothing(text: str) -> bool:
    """Whether a text is a placeholder, as a model writes that copies an example: `...`, `<answer>`.

    It has no letter or digit, or is nothing but one expression in angle brackets.
    """
    bare = text.strip().strip("\"'`.")
    return not any(map(str.isalnum, bare)) or (
        bare.startswith("<") and bare.endswith(">") and bare.count("<") == 1
    )
