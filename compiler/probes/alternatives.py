"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

A word is matched by capitalisation, ending, length and document frequency; a token window by its
token count, its first characters and its end. Text of any sibling is never an alternative. The
level records how far the search went: 0 nearest documents, 1 the whole shard, 2 (words only) the
whole shard with looser matching.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from compiler.probes import leakage
from compiler.probes.checks import has_control
from compiler.probes.endings import closing_of
from compiler.probes.lexicon import Lexicon, Numbers
from compiler.probes.sampling import Stream
from compiler.probes.siblings import Siblings
from compiler.probes.stock import Stock
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.probes.windows import Windows
from compiler.words import is_placeholder

_TRIES = 200


@dataclass(frozen=True)
class Donor:
    """A document from which others take alternatives.

    `chunks`: chunks of its text in a lexicon; `tokens`: its tokens by tokenizer identity.
    """

    doc_id: str
    text: str
    chunks: Numbers
    tokens: dict[str, Tokens]


@dataclass(frozen=True, slots=True)
class Lens:
    """A token window that needs an alternative.

    `start`: number of tokens before it in its document; `closing`: class of its end (see
    `probes.windows`), None if any end will do; `count`: number of its tokens; `question`: the
    probe's question.
    """

    doc_id: str
    text: str
    start: int
    closing: int | None
    count: int
    question: str


class _Around:
    """The documents nearest to one document, for all of its slots."""

    def __init__(self, places: Sequence[int], stock: Stock) -> None:
        self._places = places
        self._stock = stock
        self._words: dict[bool, Numbers] = {}
        self._joined: dict[str, Windows] = {}

    def words(self, siblings: Siblings, *, everywhere: bool) -> Numbers:
        """Return the words of these documents, or of all, that no sibling has."""
        if everywhere not in self._words:
            among = None if everywhere else self._places
            self._words[everywhere] = self._stock.unwritten(among, siblings.all_chunks)
        return self._words[everywhere]

    def windows(self, tokenizer: str, of: Callable[[int, str], Windows]) -> Windows:
        """Return the windows of all of these documents; `of` returns those of one."""
        # `of` is not stored: as a method of the pool it would close a reference cycle, which keeps
        # the texts of a shard in memory until the garbage collector runs.
        if tokenizer not in self._joined:
            parts = [of(place, tokenizer) for place in self._places]
            self._joined[tokenizer] = Windows.joined(parts)
        return self._joined[tokenizer]


class Pool:
    """The documents of one shard as a source of alternatives for one another."""

    def __init__(self, donors: Iterable[Donor], lexicon: Lexicon) -> None:
        """Index the documents. `lexicon`: the lexicon that numbers their chunks."""
        self._donors = sorted(donors, key=lambda donor: donor.doc_id)
        self._place = {donor.doc_id: place for place, donor in enumerate(self._donors)}
        self._stock = Stock([donor.chunks for donor in self._donors], lexicon)
        self._around: tuple[str, _Around] | None = None
        self._known: dict[tuple[int, str], Windows] = {}
        self._totals: dict[tuple[str, int], int] = {}

    def word(
        self, atom: str, question: str, doc_id: str, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """Draw a word like `atom` that no sibling has: (word, level, pool size) or None.

        The pool size counts the candidates of the level, including those within one edit of the
        atom, which are never drawn.
        """
        around = self._near(doc_id)
        for level in range(3):
            among = around.words(siblings, everywhere=level > 0)
            pool = self._stock.alike(atom, among, question, loosely=level == 2)
            for number in stream.order(len(pool)):
                word = self._stock.words[pool[number]]
                if not _one_edit(word.casefold(), atom.casefold()):
                    return word, level, len(pool)
        return None

    def window(
        self, like: Lens, tokenizer: Tokenizer, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """Draw a window like an atom: (text, level, pool size) or None.

        It has the same token count and the same classes of beginning and end.

        The pool size counts the places in the level's documents where a window begins alike,
        before its length, its end and the siblings rule some of them out.
        """
        mine = frozenset(tokenizer.ids(like.text))
        own = self._place[like.doc_id]
        opening = self._windows(own, tokenizer.identity).opening_at(like.start)
        levels = (
            self._windows_near(like, opening, tokenizer.identity, stream),
            self._windows_anywhere(like, opening, tokenizer.identity, own, stream),
        )
        for level, drawn in enumerate(levels):
            for text in islice(drawn, _TRIES):
                if _unlike(like, mine, tokenizer, text) and siblings.never_wrote(text):
                    size = self._begin_alike(level, opening, tokenizer.identity, like.doc_id)
                    return text, level, size
        return None

    def _windows_near(
        self, like: Lens, opening: int, tokenizer: str, stream: Stream
    ) -> Iterator[str]:
        """Yield windows of the nearest documents, each equally likely to come first."""
        near = self._near(like.doc_id).windows(tokenizer, self._windows)
        places = near.places(opening, like.closing, like.count)
        for number in stream.order(len(places)):
            yield near.window(int(places[number]), like.count)

    def _windows_anywhere(
        self, like: Lens, opening: int, tokenizer: str, own: int, stream: Stream
    ) -> Iterator[str]:
        """Yield one window of each other document, in random order."""
        for number in stream.order(len(self._donors) - 1):
            donor = self._windows(number + (number >= own), tokenizer)
            places = donor.places(opening, like.closing, like.count)
            if len(places):
                yield donor.window(int(places[stream.below(len(places))]), like.count)

    def _begin_alike(self, level: int, opening: int, tokenizer: str, doc_id: str) -> int:
        """Count the windows of a level's documents that begin as `opening`."""
        if level == 0:
            return self._near(doc_id).windows(tokenizer, self._windows).count(opening)
        if (tokenizer, opening) not in self._totals:
            every = (self._windows(place, tokenizer) for place in range(len(self._donors)))
            self._totals[tokenizer, opening] = sum(each.count(opening) for each in every)
        own = self._windows(self._place[doc_id], tokenizer)
        return self._totals[tokenizer, opening] - own.count(opening)

    def _windows(self, place: int, tokenizer: str) -> Windows:
        found = self._known.get((place, tokenizer))
        if found is None:
            donor = self._donors[place]
            found = self._known[place, tokenizer] = Windows.of(donor.text, donor.tokens[tokenizer])
        return found

    def _near(self, doc_id: str) -> _Around:
        """Return the surroundings of a document. The slots of a document are consecutive."""
        if self._around is None or self._around[0] != doc_id:
            places = sorted(self._stock.nearest(self._place[doc_id]))
            self._around = doc_id, _Around(places, self._stock)
        return self._around[1]


def _one_edit(left: str, right: str) -> bool:
    """Return whether two words are at most one insertion, deletion or substitution apart."""
    if abs(len(left) - len(right)) > 1:
        return False
    short, long = (left, right) if len(left) <= len(right) else (right, left)
    # One edit leaves one of the halves unchanged.
    half, rest = len(short) // 2, len(short) - len(short) // 2
    if short[:half] != long[:half] and short[-rest:] != long[-rest:]:
        return False
    at = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[at + (len(short) == len(long)) :] == long[at + 1 :]


def _unlike(like: Lens, mine: frozenset[int], tokenizer: Tokenizer, text: str) -> bool:
    """Return whether a window has the atom's token count and differs from it in content."""
    if like.closing not in (None, closing_of(text)) or not leakage.bare(text):
        return False
    theirs = frozenset(found := tokenizer.ids(text))
    shared = len(mine & theirs) / len(mine | theirs)
    differs = len(found) == like.count and (shared < 0.3 or (like.count == 1 and shared == 0.0))
    # A window that the checks would reject is skipped here, so that the slot is not lost.
    return (
        differs
        and not has_control(text)
        and not is_placeholder(text)
        and not leakage.verbatim_in(text, (leakage.squash(like.question),))
    )
