"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

A word is matched by capitalisation, ending, length and how common it is; a token window by its
token count and how it begins. Nothing that any sibling wrote is ever an alternative. The level says
how far the search had to go: 0 nearest documents, 1 any of the shard, 2 any with looser matching.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
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
_ENDINGS = ("ing", "ed", "ly", "s", "")


@dataclass(frozen=True)
class Donor:
    """A document that gives alternatives to others. `tokens`: per lens tokenizer identity."""

    doc_id: str
    text: str
    tokens: dict[str, Tokens]


class _Words:
    """The different content words of a shard, by number, with everything that matching looks at.

    `kinds`: capitals and ending; `frequencies`: a log; `roots`: the number of each word's stem.
    `holders`: by stem, the documents that have it.
    """

    def __init__(self, words: Iterable[str], holders: Mapping[str, NDArray[np.int64]]) -> None:
        self.words = sorted(words)
        self.stems = {root: number for number, root in enumerate(holders)}
        self._frequency = {root: math.log(1 + len(held)) for root, held in holders.items()}
        self.roots = np.array([self.stems[stem(word)] for word in self.words], np.int64)
        self._kinds = np.array([_kind(word) for word in self.words], np.int64)
        self._lengths = np.array([len(word) for word in self.words], np.int64)
        self._frequencies = np.array([self._frequency[stem(word)] for word in self.words])

    def alike(self, wanted: str, among: NDArray[np.int64], *, loosely: bool) -> list[str]:
        """Those of some words with the capitals and about the length of `wanted`; unless `loosely`,
        also with its ending and about as common.
        """
        kind, frequency = _kind(wanted), self._frequency.get(stem(wanted), 0.0)
        held = np.abs(self._lengths[among] - len(wanted)) <= _LENGTH
        if loosely:
            held &= self._kinds[among] // len(_ENDINGS) == kind // len(_ENDINGS)
        else:
            held &= self._kinds[among] == kind
            held &= np.abs(self._frequencies[among] - frequency) <= 1
        return [self.words[number] for number in among[held].tolist()]


@dataclass(frozen=True, slots=True)
class Lens:
    """A token window that wants an alternative.

    `start`: its offset in its document; `closing`: how it ends (`probes.windows`), None for a
    window that its end does not tell; `count`: its tokens.
    """

    doc_id: str
    text: str
    start: int
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
        self._words = _Words(set().union(*words), self._holders)
        numbers = {word: number for number, word in enumerate(self._words.words)}
        self._own = [np.array([numbers[word] for word in found], np.int64) for found in words]
        self._fresh: tuple[str, tuple[NDArray[np.int64], ...]] = "", ()
        self._nearest: dict[int, tuple[int, ...]] = {}
        self._known: dict[tuple[int, str], Windows] = {}
        self._totals: dict[str, NDArray[np.int64]] = {}

    def word(
        self, atom: str, question: str, doc_id: str, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """A word like `atom` that no sibling of `doc_id` has: (word, level, pool size) or None.

        The pool size counts those of the level; what is one edit away from the atom is never drawn.
        """
        asked = stems(question)
        near, every = self._unwritten(doc_id, siblings)
        for level, among in enumerate((near, every, every)):
            alike = self._words.alike(atom, among, loosely=level == 2)
            pool = [word for word in alike if stem(word) not in asked]
            for number in stream.order(len(pool)):
                if not _one_edit(pool[number].casefold(), atom.casefold()):
                    return pool[number], level, len(pool)
        return None

    def _unwritten(self, doc_id: str, siblings: Siblings) -> tuple[NDArray[np.int64], ...]:
        """The words that no sibling of a document has: of the nearest documents, and of all."""
        if self._fresh[0] != doc_id:
            known = self._words.stems
            written = np.zeros(len(known), np.bool_)
            written[[known[root] for root in siblings.stems if root in known]] = True
            near = [self._own[place] for place in self._near(doc_id)]
            found = (
                np.unique(np.concatenate(near)) if near else np.zeros(0, np.int64),
                np.arange(len(self._words.words)),
            )
            self._fresh = doc_id, tuple(each[~written[self._words.roots[each]]] for each in found)
        return self._fresh[1]

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
        opening = self._windows(own, tokenizer.identity).opening_at(like.start)
        levels = (
            self._windows_near(like, opening, tokenizer.identity, near, stream),
            self._windows_anywhere(like, opening, tokenizer.identity, own, stream),
        )
        for level, drawn in enumerate(levels):
            for text in islice(drawn, _TRIES):
                if _unlike(like, mine, tokenizer, text) and siblings.never_wrote(text):
                    size = self._begin_alike(level, opening, tokenizer.identity, near, own)
                    return text, level, size
        return None

    def _windows_near(
        self,
        like: Lens,
        opening: int,
        tokenizer: str,
        near: Sequence[int],
        stream: Stream,
    ) -> Iterator[str]:
        """Windows of the nearest documents, each equally likely to come first."""
        donors = [self._windows(place, tokenizer) for place in near]
        places = [each.places(opening, like.closing, like.count) for each in donors]
        ends = [*accumulate(map(len, places))]
        for number in stream.order(ends[-1] if ends else 0):
            which = bisect_right(ends, number)
            place = places[which][number - ends[which]]
            yield donors[which].window(place, like.count)

    def _windows_anywhere(
        self, like: Lens, opening: int, tokenizer: str, own: int, stream: Stream
    ) -> Iterator[str]:
        """A window each of the other documents, in random order."""
        for number in stream.order(len(self._donors) - 1):
            donor = self._windows(number + (number >= own), tokenizer)
            places = donor.places(opening, like.closing, like.count)
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


def _kind(word: str) -> int:
    """A number for the capitals of a word and how it ends."""
    upper = word.isupper() and len(word) > 1
    case = 2 if upper else 1 if word[:1].isupper() else 0
    low = word.casefold()
    return case * len(_ENDINGS) + next(n for n, end in enumerate(_ENDINGS) if low.endswith(end))


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
