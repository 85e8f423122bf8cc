"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

A word is matched by capitalisation, ending, length and how common it is; a token window by its
token count and how it begins. Nothing that any sibling wrote is ever an alternative. The level says
how far the search had to go: 0 nearest documents, 1 any of the shard, 2 any with looser matching.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from heapq import merge, nsmallest

import regex

from compiler.probes import leakage
from compiler.probes.sampling import Stream
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.words import is_content, stem, stems, vocabulary

_NEAREST = 8
_TRIES = 800
_LENGTH = 3
_CLOSE = regex.compile(r"[.!?…][\"”’)\]]*$")
Opening = tuple[str, str, str]
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
    """A word of the pool with everything that matching looks at; `frequency` is a log."""

    word: str
    folded: str
    root: str
    case: str
    ending: str
    frequency: float

    @property
    def shelf(self) -> tuple[str, str, int]:
        """Words on other shelves than those near this one are never alike."""
        return self.case, self.ending, len(self.word)


class _Windows:
    """A donor as a source of token windows: clean offsets by how a window there begins."""

    def __init__(self, text: str, tokens: Tokens) -> None:
        self.text = text
        self.clean, self.before, self.count = tokens.clean, tokens.before, tokens.count
        self.starts: dict[Opening, list[int]] = defaultdict(list)
        for place, offset in enumerate(self.clean[:-1]):
            self.starts[opening_of(text, offset)].append(place)

    def pick(self, count: int, starts: Sequence[int], stream: Stream) -> str | None:
        """A window of `count` tokens that begins at one of `starts`, if it ends cleanly."""
        if self.count <= count:
            return None
        clean, before = self.clean, self.before
        first = stream.pick(starts)
        wanted = before[first] + count
        last = first + count
        # Nearly every token starts at a clean offset, so the window's end is close by.
        while last > first and (last >= len(before) or before[last] > wanted):
            last -= 1
        return self.text[clean[first] : clean[last]] if before[last] == wanted else None


class Pool:
    """The documents of one shard as a source of alternatives for one another."""

    def __init__(self, donors: Iterable[Donor]) -> None:
        self._donors = sorted(donors, key=lambda donor: donor.doc_id)
        self._place = {donor.doc_id: place for place, donor in enumerate(self._donors)}
        words = [[w for w in vocabulary(donor.text) if is_content(w)] for donor in self._donors]
        self._stems = [frozenset(map(stem, found)) for found in words]
        self._holders: dict[str, list[int]] = defaultdict(list)
        for place, roots in enumerate(self._stems):
            for each in roots:
                self._holders[each].append(place)
        entries = {word: self._entry(word) for word in sorted(set().union(*words))}
        # A shelf keeps the order of words; an alternative differs by at most three letters.
        self._shelves: dict[tuple[str, str, int], list[_Entry]] = defaultdict(list)
        for entry in entries.values():
            self._shelves[entry.shelf].append(entry)
        self._own: list[dict[tuple[str, str, int], list[_Entry]]] = []
        for found in words:
            shelves: dict[tuple[str, str, int], list[_Entry]] = defaultdict(list)
            for word in found:
                shelves[entries[word].shelf].append(entries[word])
            self._own.append(shelves)
        self._nearest: dict[int, tuple[int, ...]] = {}
        self._windows: dict[tuple[int, str], _Windows] = {}
        self._totals: dict[str, Counter[Opening]] = {}

    def _entry(self, word: str) -> _Entry:
        root = stem(word)
        frequency = math.log(1 + len(self._holders.get(root, ())))
        return _Entry(word, word.casefold(), root, _case(word), _ending(word), frequency)

    def word(
        self,
        atom: str,
        question: str,
        doc_id: str,
        sibling_stems: frozenset[str],
        stream: Stream,
    ) -> tuple[str, int, int] | None:
        """A word like `atom` that no sibling of `doc_id` has: (word, level, pool size) or None.

        `sibling_stems`: stems of every word of every sibling.
        """
        asked = stems(question)
        wanted = self._entry(atom)
        for level, shelved in enumerate((self._nearby, self._anywhere, self._loosely)):
            pool = [
                entry
                for entry in shelved(wanted, doc_id)
                if entry.root not in sibling_stems
                and entry.root not in asked
                and (level == 2 or abs(entry.frequency - wanted.frequency) <= 1)
                and not _one_edit(entry.folded, wanted.folded)
            ]
            if pool:
                return stream.pick(pool).word, level, len(pool)
        return None

    def _nearby(self, wanted: _Entry, doc_id: str) -> list[_Entry]:
        """Words of the nearest documents that end alike, by length and then by themselves."""
        near = [self._own[place] for place in self._near(doc_id)]
        found: list[_Entry] = []
        for length in _lengths(wanted):
            shelf = (wanted.case, wanted.ending, length)
            some = {entry.word: entry for own in near for entry in own.get(shelf, ())}
            found += [some[word] for word in sorted(some)]
        return found

    def _anywhere(self, wanted: _Entry, doc_id: str) -> Iterator[_Entry]:
        """Words of all documents that end alike."""
        for length in _lengths(wanted):
            yield from self._shelves.get((wanted.case, wanted.ending, length), ())

    def _loosely(self, wanted: _Entry, doc_id: str) -> Iterator[_Entry]:
        """Words of all documents, whatever their ending."""
        for length in _lengths(wanted):
            shelves = [self._shelves.get((wanted.case, end, length), ()) for end in _ANY_ENDING]
            yield from merge(*shelves, key=lambda entry: entry.word)

    def window(
        self,
        atom: str,
        opening: Opening,
        closing: str | None,
        count: int,
        doc_id: str,
        squashed: Sequence[str],
        ngrams: frozenset[tuple[str, ...]],
        tokenizer: Tokenizer,
        stream: Stream,
    ) -> tuple[str, int, int] | None:
        """A window of `count` tokens that begins as `opening`: (text, level, pool size) or None.

        `closing`: how it must end, when the atom ends at a split and so is told by its end. The
        pool size counts the places of the level's documents where a window begins as it must;
        length, end and siblings rule some of them out.

        `squashed`, `ngrams`: the siblings' texts and word 4-grams, which it must not share.
        """
        mine = set(tokenizer.ids(atom))
        near = sorted(self._near(doc_id))
        own = self._place[doc_id]
        others = [place for place in range(len(self._donors)) if place != own]
        for level, places in enumerate((near, others)):
            for _ in range(_TRIES if places else 0):
                donor = self._begin(stream.pick(places), tokenizer.identity)
                starts = donor.starts.get(opening)
                if starts is None:
                    continue
                text = donor.pick(count, starts, stream)
                if (
                    text is None
                    or (closing is not None and closing_of(text) != closing)
                    or not leakage.bare(text)
                ):
                    continue
                theirs = set(found := tokenizer.ids(text))
                shared = len(mine & theirs) / len(mine | theirs)
                if (
                    len(found) == count
                    and (shared < 0.3 or (count == 1 and shared == 0.0))
                    and not leakage.verbatim_in(text, squashed)
                    and leakage.ngrams(text, 4).isdisjoint(ngrams)
                ):
                    size = self._places(level, near, own, tokenizer.identity, opening)
                    return text, level, size
        return None

    def _places(
        self, level: int, near: Sequence[int], own: int, tokenizer: str, opening: Opening
    ) -> int:
        """How many windows of a level's documents begin as `opening`."""
        if level == 0:
            begun = [self._begin(place, tokenizer) for place in near]
            return sum(len(each.starts.get(opening, ())) for each in begun)
        if tokenizer not in self._totals:
            total: Counter[Opening] = Counter()
            for place in range(len(self._donors)):
                for each, starts in self._begin(place, tokenizer).starts.items():
                    total[each] += len(starts)
            self._totals[tokenizer] = total
        mine = self._begin(own, tokenizer).starts.get(opening, ())
        return self._totals[tokenizer][opening] - len(mine)

    def _begin(self, place: int, tokenizer: str) -> _Windows:
        found = self._windows.get((place, tokenizer))
        if found is None:
            donor = self._donors[place]
            found = self._windows[place, tokenizer] = _Windows(donor.text, donor.tokens[tokenizer])
        return found

    def _near(self, doc_id: str) -> tuple[int, ...]:
        """Documents that share the most and the rarest content words, by place."""
        own = self._place[doc_id]
        if own not in self._nearest:
            score: dict[int, float] = defaultdict(float)
            total = len(self._donors)
            for each in sorted(self._stems[own]):
                holders = self._holders[each]
                if 1 < len(holders) <= max(2, total // 4):
                    weight = math.log(total / len(holders))
                    for holder in holders:
                        score[holder] += weight
            score.pop(own, None)
            # Donors are in the order of their ids, which breaks ties.
            ranked = nsmallest(_NEAREST, score, key=lambda other: (-score[other], other))
            self._nearest[own] = tuple(ranked)
        return self._nearest[own]


def _lengths(wanted: _Entry) -> range:
    size = len(wanted.word)
    return range(size - _LENGTH, size + _LENGTH + 1)


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


def opening_of(text: str, at: int) -> Opening:
    """How a window that starts at `at` begins.

    Its leading whitespace (none, space, line), its first visible character (upper, lower, digit,
    other), and, without whitespace of its own, what stands before it (start of a line, space, word,
    other).
    """
    end = at
    while end < len(text) and text[end].isspace():
        end += 1
    if end == at:
        return _opening("", text[at : at + 1], text[max(0, at - 1) : at])
    return _opening("\n" if "\n" in text[at:end] else " ", text[end : end + 1], "")


@lru_cache(maxsize=1 << 13)
def _opening(space: str, first: str, last: str) -> Opening:
    kind = {"\n": "line", " ": "space"}.get(space, "none")
    letter = "upper" if first.isupper() else "lower" if first.isalpha() else "other"
    before = "line" if last in ("", "\n") else "space" if last.isspace() else "other"
    before = "word" if last.isalnum() else before
    return kind, "digit" if first.isdigit() else letter, "" if space else before


def closing_of(text: str) -> str:
    """How a window ends: with a line, with a sentence, or in the middle of one."""
    body = text.rstrip()
    if "\n" in text[len(body) :]:
        return "line"
    return "sentence" if _CLOSE.search(body) else "middle"
