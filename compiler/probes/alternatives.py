"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

A word is matched by capitalisation, ending, length and how common it is; a token window by its
token count and how it begins. Nothing that any sibling wrote is ever an alternative. The level says
how far the search had to go: 0 nearest documents, 1 any of the shard, 2 any with looser matching.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import regex

from compiler.probes import leakage
from compiler.probes.sampling import Stream
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.words import WORD, is_content, stem, stems

_NEAREST = 8
_TRIES = 800
_LENGTH = 3
_CLOSE = regex.compile(r"[.!?…][\"”’)\]]*$")
Opening = tuple[str, str, str]
_ENDINGS = ("ing", "ed", "ly", "s")


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
    root: str
    case: str
    ending: str
    frequency: float


class Pool:
    """The documents of one shard as a source of alternatives for one another."""

    def __init__(self, donors: Iterable[Donor]) -> None:
        self._donors = sorted(donors, key=lambda donor: donor.doc_id)
        self._words: dict[str, frozenset[str]] = {}
        self._stems: dict[str, frozenset[str]] = {}
        self._holders: dict[str, list[str]] = defaultdict(list)
        for donor in self._donors:
            found = frozenset(word for word in WORD.findall(donor.text) if is_content(word))
            self._words[donor.doc_id] = found
            self._stems[donor.doc_id] = frozenset(stem(word) for word in found)
            for each in self._stems[donor.doc_id]:
                self._holders[each].append(donor.doc_id)
        # Words by capitalisation and length: an alternative differs by at most three letters.
        self._shelves: dict[tuple[str, int], list[_Entry]] = defaultdict(list)
        for word in sorted(frozenset().union(*self._words.values())):
            entry = self._entry(word)
            self._shelves[entry.case, len(word)].append(entry)
        self._nearest: dict[str, tuple[str, ...]] = {}
        self._starts: dict[tuple[str, str], dict[Opening, list[int]]] = {}

    def _entry(self, word: str) -> _Entry:
        root = stem(word)
        frequency = math.log(1 + len(self._holders.get(root, ())))
        return _Entry(word, root, _case(word), _ending(word), frequency)

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
        barred = sibling_stems | stems(question)
        wanted = self._entry(atom)
        nearby = frozenset().union(*(self._words[other] for other in self._near(doc_id)))
        for level, strict in enumerate((True, True, False)):
            pool = [
                entry
                for entry in self._shelved(wanted)
                if (level > 0 or entry.word in nearby)
                and (not strict or _alike(entry, wanted))
                and entry.root not in barred
                and not _one_edit(entry.word.casefold(), atom.casefold())
            ]
            if pool:
                return stream.pick(pool).word, level, len(pool)
        return None

    def _shelved(self, wanted: _Entry) -> Iterator[_Entry]:
        size = len(wanted.word)
        for length in range(size - _LENGTH, size + _LENGTH + 1):
            yield from self._shelves.get((wanted.case, length), ())

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
        near = set(self._near(doc_id))
        others = [donor for donor in self._donors if donor.doc_id != doc_id]
        for level, donors in enumerate(([d for d in others if d.doc_id in near], others)):
            for _ in range(_TRIES if donors else 0):
                donor = stream.pick(donors)
                starts = self._begin(donor, tokenizer.identity).get(opening)
                if starts is None:
                    continue
                text = _window(donor, tokenizer.identity, count, starts, stream)
                ends = closing is None or (text is not None and closing_of(text) == closing)
                if text is None or not ends or not leakage.bare(text):
                    continue
                theirs = tokenizer.ids(text)
                shared = len(mine & set(theirs)) / len(mine | set(theirs))
                if (
                    len(theirs) == count
                    and (shared < 0.3 or (count == 1 and shared == 0.0))
                    and not leakage.verbatim_in(text, squashed)
                    and not leakage.ngrams(text, 4) & ngrams
                ):
                    return text, level, self._places(donors, tokenizer.identity, opening)
        return None

    def _places(self, donors: Sequence[Donor], tokenizer: str, opening: Opening) -> int:
        """How many windows of these documents begin as `opening`."""
        return sum(len(self._begin(donor, tokenizer).get(opening, ())) for donor in donors)

    def _begin(self, donor: Donor, tokenizer: str) -> dict[Opening, list[int]]:
        """The clean offsets of a donor, as indices, by how a window there begins."""
        key = (donor.doc_id, tokenizer)
        if key not in self._starts:
            found: dict[Opening, list[int]] = defaultdict(list)
            for place, offset in enumerate(donor.tokens[tokenizer].clean[:-1]):
                found[opening_of(donor.text, offset)].append(place)
            self._starts[key] = dict(found)
        return self._starts[key]

    def _near(self, doc_id: str) -> tuple[str, ...]:
        """Documents that share the most and the rarest content words."""
        if doc_id not in self._nearest:
            score: dict[str, float] = defaultdict(float)
            total = len(self._donors)
            for each in sorted(self._stems.get(doc_id, ())):
                holders = self._holders[each]
                if 1 < len(holders) <= max(2, total // 4):
                    weight = math.log(total / len(holders))
                    for holder in holders:
                        score[holder] += weight
            score.pop(doc_id, None)
            ranked = sorted(score, key=lambda other: (-score[other], other))
            self._nearest[doc_id] = tuple(ranked[:_NEAREST])
        return self._nearest[doc_id]


def _alike(entry: _Entry, wanted: _Entry) -> bool:
    """Whether two words end alike and are about equally common."""
    return entry.ending == wanted.ending and abs(entry.frequency - wanted.frequency) <= 1


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
    short, long = sorted((left, right), key=len)
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]


def _window(
    donor: Donor, tokenizer: str, count: int, starts: Sequence[int], stream: Stream
) -> str | None:
    tokens = donor.tokens[tokenizer]
    if tokens.count <= count:
        return None
    first = stream.pick(starts)
    wanted = tokens.before[first] + count
    last = first + count
    # Nearly every token starts at a clean offset, so the window's end is close by.
    while last > first and (last >= len(tokens.before) or tokens.before[last] > wanted):
        last -= 1
    if tokens.before[last] != wanted:
        return None
    return donor.text[tokens.clean[first] : tokens.clean[last]]


def opening_of(text: str, at: int) -> Opening:
    """How a window that starts at `at` begins.

    Its leading whitespace (none, space, line), its first visible character (upper, lower, digit,
    other), and, without whitespace of its own, what stands before it (start of a line, space, word,
    other).
    """
    end = at
    while end < len(text) and text[end].isspace():
        end += 1
    space = text[at:end]
    kind = "line" if "\n" in space else "space" if space else "none"
    first, last = text[end : end + 1], text[max(0, at - 1) : at]
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
