"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

A word is matched by capitalisation, ending, length and how common it is; a token window by its
token count and how it begins. Nothing that any sibling wrote is ever an alternative. The level says
how far the search had to go: 0 nearest documents, 1 any of the shard, 2 any with looser matching.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, islice

import numpy as np
from numpy.typing import NDArray

from compiler.probes import leakage
from compiler.probes.sampling import Stream
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.probes.windows import OPENINGS, Windows, closing_of
from compiler.words import is_content, stem, stems, vocabulary

_NEAREST = 8
_TRIES = 200
_LENGTH = 3
_IN_A_ROW = 4
_ENDINGS = ("ing", "ed", "ly", "s")
_ANY_ENDING = ("", *_ENDINGS)


@dataclass(frozen=True)
class Donor:
    """A document that gives alternatives to others. `tokens`: per lens tokenizer identity."""

    doc_id: str
    text: str
    tokens: dict[str, Tokens]


@dataclass(frozen=True, slots=True)
class _Entry:
    """A word of the pool with everything that matching looks at.

    `frequency` is a log; `rank` orders the words of a pool by length, then by themselves.
    """

    word: str
    folded: str
    root: str
    case: str
    ending: str
    frequency: float
    rank: int


class _Shelves:
    """Words by capitals and ending, in order of length. `entries`: in order of rank."""

    def __init__(self, entries: Iterable[_Entry]) -> None:
        self._shelves: dict[tuple[str, str], list[_Entry]] = defaultdict(list)
        for entry in entries:
            self._shelves[entry.case, entry.ending].append(entry)

    def alike(self, wanted: _Entry, endings: Iterable[str]) -> Iterator[_Entry]:
        """Words that differ by at most three letters in length."""
        size = len(wanted.word)
        for ending in endings:
            shelf = self._shelves.get((wanted.case, ending), [])
            first = bisect_left(shelf, size - _LENGTH, key=_length)
            yield from shelf[first : bisect_right(shelf, size + _LENGTH, key=_length)]


def _length(entry: _Entry) -> int:
    return len(entry.word)


@dataclass(frozen=True, slots=True)
class Lens:
    """A token window that wants an alternative.

    `opening`, `closing`: how it begins and ends (`probes.windows`); closing is None for a window
    that a split ends, so that nothing after it tells where it ends. `count`: its tokens.
    """

    doc_id: str
    text: str
    opening: int
    closing: int | None
    count: int


class Siblings:
    """All usable siblings of one document: what no alternative may repeat."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.squashed = [leakage.squash(each) for each in texts]
        self.stems = frozenset[str]().union(*map(stems, texts))
        self._lines = [leakage.as_words(each) for each in texts]

    def never_wrote(self, text: str) -> bool:
        """Whether none of them holds a text, or four of its words in a row."""
        return not leakage.verbatim_in(text, self.squashed) and not leakage.shares_words(
            text, self._lines, _IN_A_ROW
        )


class Pool:
    """The documents of one shard as a source of alternatives for one another."""

    def __init__(self, donors: Iterable[Donor]) -> None:
        self._donors = sorted(donors, key=lambda donor: donor.doc_id)
        self._place = {donor.doc_id: place for place, donor in enumerate(self._donors)}
        words = [[w for w in vocabulary(donor.text) if is_content(w)] for donor in self._donors]
        self._stems = [frozenset(map(stem, found)) for found in words]
        holders: dict[str, list[int]] = defaultdict(list)
        for place, roots in enumerate(self._stems):
            for each in roots:
                holders[each].append(place)
        self._holders = {each: np.array(held) for each, held in holders.items()}
        every = sorted(set().union(*words), key=lambda word: (len(word), word))
        entries = {word: self._entry(word, rank) for rank, word in enumerate(every)}
        self._all = _Shelves(entries.values())
        self._own = [[entries[word] for word in found] for found in words]
        self._nearby: tuple[str, _Shelves] = "", _Shelves(())
        self._nearest: dict[int, tuple[int, ...]] = {}
        self._known: dict[tuple[int, str], Windows] = {}
        self._totals: dict[str, NDArray[np.int64]] = {}

    def _entry(self, word: str, rank: int = 0) -> _Entry:
        root = stem(word)
        frequency = math.log(1 + len(self._holders.get(root, ())))
        return _Entry(word, word.casefold(), root, _case(word), _ending(word), frequency, rank)

    def word(
        self, atom: str, question: str, doc_id: str, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """A word like `atom` that no sibling of `doc_id` has: (word, level, pool size) or None.

        The pool size counts those of the level; what is one edit away from the atom is never drawn.
        """
        asked = stems(question)
        wanted = self._entry(atom)
        for level in range(3):
            shelves = self._all if level else self._near_shelves(doc_id, siblings)
            pool = [
                entry
                for entry in shelves.alike(wanted, _ANY_ENDING if level == 2 else (wanted.ending,))
                if (level == 2 or abs(entry.frequency - wanted.frequency) <= 1)
                and entry.root not in asked
                and entry.root not in siblings.stems
            ]
            for number in stream.order(len(pool)):
                if not _one_edit(pool[number].folded, wanted.folded):
                    return pool[number].word, level, len(pool)
        return None

    def _near_shelves(self, doc_id: str, siblings: Siblings) -> _Shelves:
        """What the nearest documents have and the siblings of this one have not."""
        if self._nearby[0] != doc_id:
            found = {
                entry.rank: entry
                for place in self._near(doc_id)
                for entry in self._own[place]
                if entry.root not in siblings.stems
            }
            self._nearby = doc_id, _Shelves(found[rank] for rank in sorted(found))
        return self._nearby[1]

    def window(
        self, like: Lens, tokenizer: Tokenizer, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """A window of as many tokens that begins and ends alike: (text, level, pool size) or None.

        The pool size counts the places of the level's documents where a window begins as it must;
        length, end and siblings rule some of them out.
        """
        mine = frozenset(tokenizer.ids(like.text))
        own = self._place[like.doc_id]
        near = sorted(self._near(like.doc_id))
        for level, drawn in enumerate((self._windows_near, self._windows_anywhere)):
            for text in islice(drawn(like, tokenizer.identity, near, own, stream), _TRIES):
                if _unlike(like, mine, tokenizer, text) and siblings.never_wrote(text):
                    size = self._begin_alike(level, like.opening, tokenizer.identity, near, own)
                    return text, level, size
        return None

    def _windows_near(
        self, like: Lens, tokenizer: str, near: Sequence[int], own: int, stream: Stream
    ) -> Iterator[str]:
        """Windows of the nearest documents, each equally likely to come first."""
        donors = [self._windows(place, tokenizer) for place in near]
        places = [each.places(like.opening, like.closing, like.count) for each in donors]
        ends = [*accumulate(map(len, places))]
        for number in stream.order(ends[-1] if ends else 0):
            which = bisect_right(ends, number)
            place = places[which][number - ends[which]]
            yield donors[which].window(place, like.count)

    def _windows_anywhere(
        self, like: Lens, tokenizer: str, near: Sequence[int], own: int, stream: Stream
    ) -> Iterator[str]:
        """A window each of the other documents, in random order."""
        for number in stream.order(len(self._donors) - 1):
            donor = self._windows(number + (number >= own), tokenizer)
            places = donor.places(like.opening, like.closing, like.count)
            if len(places):
                yield donor.window(places[stream.below(len(places))], like.count)

    def _begin_alike(
        self, level: int, opening: int, tokenizer: str, near: Sequence[int], own: int
    ) -> int:
        """How many windows of a level's documents begin as `opening`."""
        if level == 0:
            return sum(int(self._windows(place, tokenizer).counts[opening]) for place in near)
        if tokenizer not in self._totals:
            every = (self._windows(place, tokenizer).counts for place in range(len(self._donors)))
            self._totals[tokenizer] = sum(every, np.zeros(OPENINGS, np.int64))
        mine = self._windows(own, tokenizer).counts
        return int(self._totals[tokenizer][opening] - mine[opening])

    def _windows(self, place: int, tokenizer: str) -> Windows:
        found = self._known.get((place, tokenizer))
        if found is None:
            donor = self._donors[place]
            found = self._known[place, tokenizer] = Windows(donor.text, donor.tokens[tokenizer])
        return found

    def _near(self, doc_id: str) -> tuple[int, ...]:
        """Documents that share the most and the rarest content words, by place."""
        own = self._place[doc_id]
        if own not in self._nearest:
            total = len(self._donors)
            shared = [self._holders[each] for each in sorted(self._stems[own])]
            shared = [held for held in shared if 1 < len(held) <= max(2, total // 4)]
            score: NDArray[np.float64] = np.zeros(total)
            if shared:
                weights = [math.log(total / len(held)) for held in shared]
                weighed = np.repeat(weights, [len(held) for held in shared])
                score = np.bincount(np.concatenate(shared), weighed, total).astype(np.float64)
            score[own] = 0
            # Donors are in the order of their ids, which breaks ties.
            ranked = np.argsort(-score, kind="stable")[:_NEAREST]
            ranked = ranked[score[ranked] > 0].tolist()
            self._nearest[own] = tuple(ranked)
        return self._nearest[own]


def _case(word: str) -> str:
    if word.isupper() and len(word) > 1:
        return "upper"
    return "title" if word[:1].isupper() else "lower"


def _ending(word: str) -> str:
    low = word.casefold()
    return next((ending for ending in _ENDINGS if low.endswith(ending)), "")


def _one_edit(left: str, right: str) -> bool:
    """Whether two words are equal or one insertion, deletion or substitution apart."""
    if abs(len(left) - len(right)) > 1:
        return False
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    # An edit in one half leaves the other half as it is.
    half, rest = len(short) // 2, len(short) - len(short) // 2
    if short[:half] != long[:half] and short[-rest:] != long[-rest:]:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]


def _unlike(like: Lens, mine: frozenset[int], tokenizer: Tokenizer, text: str) -> bool:
    """Whether a window is told apart from the atom by what it says, and counts as many tokens."""
    if like.closing not in (None, closing_of(text)) or not leakage.bare(text):
        return False
    theirs = frozenset(found := tokenizer.ids(text))
    shared = len(mine & theirs) / len(mine | theirs)
    return len(found) == like.count and (shared < 0.3 or (like.count == 1 and shared == 0.0))
