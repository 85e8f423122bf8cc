"""Word tokens, stems and content words, for the domain and the embedded model alike."""

from __future__ import annotations

import string
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cache, lru_cache
from itertools import chain, combinations, pairwise
from typing import TYPE_CHECKING, TypeVar
from unicodedata import name, normalize

from compiler.patterns import pattern

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from compiler.characters import Kinds

    Ints = npt.NDArray[np.int64]

_WORD = r"[\p{L}\p{M}]+(?:['’\-][\p{L}\p{M}]+)*|\p{N}+(?:[.,]\p{N}+)*"
WORD = pattern(_WORD)
_MARK = r"[^\s\p{L}\p{M}\p{N}]"
_TOKEN = pattern(f"{_WORD}|{_MARK}")
# Scripts without spaces between words, where a run of letters is not a word.
_SCRIPTS = r"[\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}]"
_OF_SCRIPTS = pattern(_SCRIPTS)
_UNSPACED = pattern(rf"(?=[\p{{L}}\p{{N}}]){_SCRIPTS}")
_LATIN = pattern(r"\p{Latin}")

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


# Every probe reads the same whole documents again, so only long texts are cached.
_LONG = 400

ENDINGS = ("ing", "ed", "ly", "s", "")

T = TypeVar("T")


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """Return a simple English stem: case-folded, without possessive and common inflections.

    Prefers merging two words to separating them: stems are used to exclude related words.
    """
    # Composed and decomposed forms of a word have one stem.
    low = (word if word.isascii() else normalize("NFKC", word)).casefold().replace("’", "'")
    low = low.removesuffix("'s").removesuffix("'")
    # Most words have no such ending, and one `endswith` rules all of them out.
    for ending in _ENDINGS if low.endswith(_ENDINGS) else ():
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            low = low[: -len(ending)]
            break
    # study, studies, studying; secure, security: the rest may still end in a vowel letter.
    return low[:-1] if len(low) > 3 and low[-1] in "eiy" else low


@lru_cache(maxsize=1 << 17)
def is_content(word: str) -> bool:
    """Return whether a word is a content word.

    At least 80% of it are letters, it is no stopword, and it has 4 characters if it is Latin.
    """
    if not word.isascii():
        word = normalize("NFKC", word)
    letters = sum(char.isalpha() for char in word)
    if letters < 0.8 * len(word) or word.casefold().replace("’", "'") in STOPWORDS:
        return False
    return len(word) >= 4 or (_LATIN.search(word) is None and len(word) >= 1)


def words_of(text: str) -> Sequence[str]:
    """Return the words of a text, in order."""
    return _words_of_long(text) if len(text) >= _LONG else WORD.findall(text)


@lru_cache(maxsize=64)
def _words_of_long(text: str) -> tuple[str, ...]:
    return tuple([text[start:end] for start, end in zip(*spans_of(text), strict=True)])


def spans_of(text: str) -> tuple[list[int], list[int]]:
    """Return the offsets at which the words of a text start, and those at which they end."""
    return _spans_of_long(text) if len(text) >= _LONG else _spans_within(text, 0, len(text))


def _spans_within(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    found = [match.span() for match in WORD.finditer(text, start, end)]
    return [each for each, _ in found], [each for _, each in found]


@lru_cache(maxsize=64)
def _spans_of_long(text: str) -> tuple[list[int], list[int]]:
    starts, ends = _word_spans(text)
    return starts.tolist(), ends.tolist()


def _word_spans(text: str) -> tuple[Ints, Ints]:
    """Find the matches of `WORD` by looking up each character, faster than the expression."""
    import numpy as np

    # Padded with kind 0, so that every word has a character before and after it.
    kinds = np.zeros(len(text) + 2, np.uint8)
    kinds[1:-1] = _kinds().of(text)
    # A joiner is part of the word if it stands between two characters of the kind that it joins.
    joiners = np.flatnonzero(kinds > _NUMBER)
    joined = kinds[joiners] - _NUMBER
    held = (kinds[joiners - 1] == joined) & (kinds[joiners + 1] == joined)
    kinds[joiners] = np.where(held, joined, 0)
    edges = np.flatnonzero(kinds[1:] != kinds[:-1])
    return edges[kinds[edges + 1] > 0], edges[kinds[edges] > 0]


_LETTER, _NUMBER = 1, 2
_KINDS = {_LETTER: r"[\p{L}\p{M}]", _NUMBER: r"\p{N}"}
_JOINERS = {_NUMBER + _LETTER: r"['’\-]", _NUMBER + _NUMBER: r"[.,]"}


@cache
def _kinds() -> Kinds:
    """Return the kinds: letter or mark, number, joiner of letters, joiner of numbers, 0 = other."""
    import regex

    from compiler.characters import Kinds

    known = {kind: regex.compile(those) for kind, those in (_KINDS | _JOINERS).items()}
    return Kinds(lambda char: next((kind for kind, of in known.items() if of.match(char)), 0))


def spans_between(text: str, start: int, end: int) -> tuple[list[int], list[int]]:
    """Return the starts and the ends of the words between two offsets, as offsets in the text."""
    starts, ends = spans_of(text)
    found = _between(starts, ends, start, end)
    if found is None:
        return _spans_within(text, start, end)
    return starts[found], ends[found]


def count_between(text: str, start: int, end: int) -> int:
    """Count the words between two offsets."""
    return counts_between(text, [(start, end)])[0]


def size_between(text: str, start: int, end: int) -> int:
    """Count the words between two offsets, and each character where words are not spaced."""
    part = text[start:end]
    if part.isascii() or _UNSPACED.search(part) is None:
        return count_between(text, start, end)
    return len(WORD.findall(_UNSPACED.sub(" ", part))) + len(_UNSPACED.findall(part))


def sizes_between(text: str, places: Sequence[tuple[int, int]]) -> list[int]:
    """Return the size of the text between the offsets of each pair, as `size_between`."""
    if text.isascii() or not _unspaced().of(text).any():
        return counts_between(text, places)
    return [size_between(text, start, end) for start, end in places]


@cache
def _unspaced() -> Kinds:
    """Return the kinds: 1 in scripts without spaces between words, 0 = other."""
    from compiler.characters import Kinds

    return Kinds(lambda char: _UNSPACED.match(char) is not None)


def counts_between(text: str, places: Iterable[tuple[int, int]]) -> list[int]:
    """Count the words between the offsets of each pair."""
    starts, ends = spans_of(text)
    size = len(starts)
    counts = []
    # `_between` inlined: it runs for every sentence of every text.
    for start, end in places:
        first, last = bisect_left(starts, start), bisect_right(ends, end)
        if (first and ends[first - 1] > start) or (last < size and starts[last] < end):
            counts.append(len(_spans_within(text, start, end)[0]))
        else:
            counts.append(last - first)
    return counts


def _between(starts: list[int], ends: list[int], start: int, end: int) -> slice | None:
    """Return the slice of words between two offsets.

    None if an offset cuts a word: its parts may be words themselves.
    """
    first, last = bisect_left(starts, start), bisect_right(ends, end)
    if (first and ends[first - 1] > start) or (last < len(starts) and starts[last] < end):
        return None
    return slice(first, last)


class Chunks(dict[str, T]):
    """A cache of a function's result per chunk, a run of characters without whitespace.

    No word holds whitespace, so the words of a text are those of its chunks (`str.split`), in
    order. Most chunks recur.
    """

    _SHORT = 40
    _MOST = 1 << 16

    def __init__(self, find: Callable[[str], T]) -> None:
        super().__init__()
        self._find = find

    def __missing__(self, chunk: str) -> T:
        found = self._find(chunk)
        # Frequent chunks occur early, so a full cache keeps what it has. In scripts without spaces
        # a chunk is as long as a sentence and does not recur.
        if len(chunk) <= self._SHORT and len(self) < self._MOST:
            self[chunk] = found
        return found


def words_in(chunk: str) -> Sequence[str]:
    """Return the words of a chunk without whitespace."""
    # Nearly all chunks are one word and punctuation, where the expression is slow.
    bare = chunk.strip(_SIGNS)
    return [bare] if bare.isascii() and bare.isalpha() else WORD.findall(chunk)


def tokens_in(text: str, start: int = 0, end: int | None = None) -> Sequence[str]:
    """Return the words and the punctuation marks between two offsets, in order."""
    found: list[str] = _TOKEN.findall(text, start, len(text) if end is None else end)
    return found


def token_spans(text: str) -> tuple[Ints, Ints]:
    """Return the starts and the ends of a text's words and punctuation marks."""
    import numpy as np

    starts, ends = _word_spans(text)
    marks = np.flatnonzero(_marks().of(text))
    # Those within a word are part of it.
    marks = marks[starts.searchsorted(marks, "right") == ends.searchsorted(marks, "right")]
    return np.sort(np.concatenate([starts, marks])), np.sort(np.concatenate([ends, marks + 1]))


@cache
def _marks() -> Kinds:
    """Return the kinds: 1 for punctuation marks and joiners, 0 = other."""
    import regex

    from compiler.characters import Kinds

    mark = regex.compile(_MARK)
    return Kinds(lambda char: mark.match(char) is not None)


# Not part of a word at either end of a chunk.
_SIGNS = string.punctuation + "“”‘’–—…"


# Every probe of a document looks up the same few texts: sides of a split and siblings.
@lru_cache(maxsize=256)
def content_stems(text: str) -> frozenset[str]:
    """Return the stems of the content words of a text."""
    return frozenset(chain.from_iterable(map(_content_of.__getitem__, set(text.split()))))


@lru_cache(maxsize=256)
def stems(text: str, start: int = 0, end: int | None = None) -> frozenset[str]:
    """Return the stems of all words between two offsets, and of the parts of hyphenated ones."""
    chunks = set(text[start : len(text) if end is None else end].split())
    return frozenset(chain.from_iterable(map(_stems_of.__getitem__, chunks)))


@lru_cache(maxsize=1 << 17)
def _stems(word: str) -> tuple[str, ...]:
    """Return the stem of a word, and those of its parts if it is hyphenated."""
    if "-" not in word:
        return (stem(word),)
    parts = word.split("-")
    spans = combinations(range(len(parts) + 1), 2)
    return (stem(word), *(stem("-".join(parts[start:end])) for start, end in spans))


def chunk_stems(chunk: str) -> tuple[str, ...]:
    """Return the stems that `stems` finds in a chunk without whitespace, possibly repeated."""
    return _stems_of[chunk]


_stems_of = Chunks(lambda chunk: tuple(chain.from_iterable(map(_stems, words_in(chunk)))))
_content_of = Chunks(
    lambda chunk: tuple([stem(word) for word in words_in(chunk) if is_content(word)])
)


# Longer prefixes of a stem separate its derivations: independent, independence.
_PREFIX = 6


def terms_of(word: str) -> Iterator[str]:
    """Yield the terms by which answers are compared: of content words, numbers and acronyms."""
    if word[0].isnumeric():
        yield word.replace(",", "")
    elif not word.isascii() and _OF_SCRIPTS.search(word):
        yield from map("".join, pairwise(word))
    elif is_content(word) or (len(word) == 3 and word.casefold() not in STOPWORDS):
        yield stem(word)[:_PREFIX]
    elif len(word) == 2 and word.isupper():
        yield word


def ending(word: str) -> int:
    """Return the number of a case-folded word's ending, of a few common ones."""
    return next(number for number, end in enumerate(ENDINGS) if word.endswith(end))


_NOT_PLAIN = pattern(
    rf"[<>@_\\/|{{}}\[\]~^=#*]|://|\bwww\.|&\w+;|([^\w\s])\1\1|{_SCRIPTS}", "IGNORECASE"
)


def is_plain(chunk: str) -> bool:
    """Return whether a chunk's words may be atoms.

    It is no address, markup or separator line, and of a script with spaces between words.
    """
    return (chunk.isascii() and chunk.isalpha()) or _NOT_PLAIN.search(chunk) is None


@lru_cache(maxsize=1 << 16)
def script(word: str) -> str:
    """Return the name of the script of a text's first letter, "" without letters."""
    first = next(filter(str.isalpha, word), "")
    if not first:
        return ""
    return "LATIN" if first.isascii() else name(first, "").partition(" ")[0]


def is_placeholder(text: str) -> bool:
    """Return whether a text is a placeholder that a model copied: `...` or `<answer>`.

    A placeholder has no letter or digit, or is a single expression in angle brackets.
    """
    bare = text.strip().strip("\"'`.")
    return not any(map(str.isalnum, bare)) or (
        bare.startswith("<") and bare.endswith(">") and bare.count("<") == 1
    )
