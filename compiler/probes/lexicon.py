"""Numbered chunks of text between whitespace, with their words, stems and content words.

No word holds whitespace, so a text is read once, as the numbers of its chunks, and its words, stems
and content words are looked up for all chunks at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from compiler.words import chunk_stems, is_content, is_plain, terms_of, tokens_in, words_in

Numbers = NDArray[np.int64]

UNKNOWN = -1
"""The number of a word or stem that no chunk has."""


def distinct(numbers: Numbers) -> Numbers:
    """Return the distinct numbers, sorted: `np.unique`, which is slower because it hashes."""
    ordered = np.sort(numbers)
    kept = np.ones(len(ordered), np.bool_)
    kept[1:] = ordered[1:] != ordered[:-1]
    return ordered[kept]


class Lexicon:
    """Chunks, stems and words by number, shared by the shards that a process reads.

    Shards have most of their chunks in common. Once a lexicon has grown large, the next shard
    starts a new one.
    """

    # Total characters of all chunks, about 150,000 chunks of English.
    _LARGE = 1 << 20
    _current: ClassVar[Lexicon | None] = None

    def __init__(self) -> None:
        self._chunks = _Chunks()

    @classmethod
    def current(cls) -> Lexicon:
        """Return the lexicon for a new shard."""
        known = cls._current
        if known is None or known._chunks.chars > cls._LARGE or not known._chunks.whole:
            cls._current = known = cls()
        return known

    def read(self, text: str) -> Numbers:
        """Return the numbers of a text's chunks, in order."""
        chunks = text.split()
        return np.fromiter(map(self._chunks.__getitem__, chunks), np.int64, len(chunks))

    def words(self, chunks: Numbers) -> Numbers:
        """Return the words of chunks, in order; words that differ only in case have one number."""
        return self._chunks.words.of(chunks)

    def tokens(self, chunks: Numbers) -> Numbers:
        """Return the words and punctuation marks of chunks, in order.

        A word has the number that `words` returns for it.
        """
        return self._chunks.tokens.of(chunks)

    def stems(self, chunks: Numbers) -> Numbers:
        """Return the stems of all words in chunks, and of their parts, possibly repeated."""
        return self._chunks.stems.of(chunks)

    def stem_ends(self, chunks: Numbers) -> Numbers:
        """Return, per chunk, the number of stems that `stems` returns up to and including it."""
        return self._chunks.stems.ends(chunks)

    def content(self, chunks: Numbers) -> Numbers:
        """Return the distinct content words in chunks that may be atoms."""
        return distinct(self._chunks.content.of(chunks))

    def terms(self, chunks: Numbers) -> Numbers:
        """Return the terms of the words of chunks (`words.terms_of`), possibly repeated."""
        return self._chunks.terms.of(chunks)

    def term_ends(self, chunks: Numbers) -> Numbers:
        """Return, per chunk, the number of terms that `terms` returns up to and including it."""
        return self._chunks.terms.ends(chunks)

    def known_term(self, term: str) -> int:
        """Return the number of a term, `UNKNOWN` if it is in no chunk."""
        return self._chunks.term_numbers.get(term, UNKNOWN)

    @property
    def terms_known(self) -> int:
        """The number of numbered terms."""
        return len(self._chunks.term_numbers)

    def known_word(self, word: str) -> int:
        """Return the number of a case-folded word or mark, `UNKNOWN` if it is in no chunk."""
        return self._chunks.word_numbers.get(word, UNKNOWN)

    @property
    def words_known(self) -> int:
        """The number of numbered words and marks."""
        return len(self._chunks.word_numbers)

    @property
    def known_words(self) -> Sequence[str]:
        """All case-folded words and marks, in order of their numbers."""
        return list(self._chunks.word_numbers)

    def known_stem(self, stem: str) -> int:
        """Return the number of a stem, `UNKNOWN` if it is in no chunk."""
        return self._chunks.stem_numbers.get(stem, UNKNOWN)

    @property
    def size(self) -> int:
        """The number of numbered stems."""
        return len(self._chunks.stem_numbers)

    @property
    def content_words(self) -> Sequence[str]:
        """All content words that may be atoms, in order of their numbers."""
        return list(self._chunks.content_numbers)


class _Numbered(dict[str, int]):
    """Strings numbered in the order of their first lookup."""

    def __missing__(self, key: str) -> int:
        number = self[key] = len(self)
        return number


class _Chunks(_Numbered):
    """Numbered chunks and their contents. `chars`: total characters of the chunks."""

    def __init__(self) -> None:
        super().__init__()
        self.chars = 0
        self.word_numbers = _Numbered()
        self.stem_numbers = _Numbered()
        self.content_numbers = _Numbered()
        self.term_numbers = _Numbered()
        self.words, self.tokens = _Lists(), _Lists()
        self.stems, self.content, self.terms = _Lists(), _Lists(), _Lists()
        self._whole = True

    @property
    def whole(self) -> bool:
        """False if adding a chunk was interrupted, which leaves the lists inconsistent."""
        lists = self.words, self.tokens, self.stems, self.content, self.terms
        return self._whole and all(each.whole for each in lists)

    def __missing__(self, key: str) -> int:
        self._whole = False
        words = words_in(key)
        self.chars += len(key)
        self.words.append(self.word_numbers[word.casefold()] for word in words)
        # Most chunks are one word without marks.
        tokens = words if words == [key] else tokens_in(key)
        self.tokens.append(self.word_numbers[token.casefold()] for token in tokens)
        self.stems.append(map(self.stem_numbers.__getitem__, chunk_stems(key)))
        offered = filter(is_content, words) if is_plain(key) else ()
        self.content.append(map(self.content_numbers.__getitem__, offered))
        terms = chain.from_iterable(map(terms_of, words))
        self.terms.append(map(self.term_numbers.__getitem__, terms))
        number = super().__missing__(key)
        self._whole = True
        return number


class _Lists:
    """Concatenated lists of numbers. `whole`: False while the arrays are being extended."""

    def __init__(self) -> None:
        self.whole = True
        self._values = np.zeros(1 << 10, np.int64)
        # The start of each list, and that of one after the last.
        self._starts = np.zeros(1 << 10, np.int64)
        self._count = 0
        # New lists wait here until the arrays are read.
        self._new_values: list[int] = []
        self._new_ends: list[int] = []

    def append(self, values: Iterable[int]) -> None:
        """Append a list."""
        self._new_values.extend(values)
        self._new_ends.append(len(self._new_values))

    def of(self, lists: Numbers) -> Numbers:
        """Return the concatenation of the given lists."""
        self._settle()
        starts = self._starts[lists]
        sizes = self._starts[lists + 1] - starts
        ends = np.cumsum(sizes)
        size = int(ends[-1]) if len(ends) else 0
        found: Numbers = self._values[np.arange(size) + np.repeat(starts - ends + sizes, sizes)]
        return found

    def ends(self, lists: Numbers) -> Numbers:
        """Return the end of each of the given lists within `of` them."""
        self._settle()
        return np.cumsum(self._starts[lists + 1] - self._starts[lists])

    def _settle(self) -> None:
        if not self._new_ends:
            return
        self.whole = False
        start, count = int(self._starts[self._count]), self._count + len(self._new_ends)
        end = start + len(self._new_values)
        self._values = _grown(self._values, end)
        self._starts = _grown(self._starts, count + 1)
        self._values[start:end] = self._new_values
        self._starts[self._count + 1 : count + 1] = np.array(self._new_ends) + start
        self._count = count
        self._new_values = []
        self._new_ends = []
        self.whole = True


def _grown(values: Numbers, size: int) -> Numbers:
    """Return the values with room for at least `size`."""
    return values if size <= len(values) else np.resize(values, 2 * size)
