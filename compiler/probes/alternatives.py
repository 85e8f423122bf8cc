"""Incorrect but plausible alternatives for templated probes, drawn from other documents.

An alternative must be as plausible as the atom to a reader of the text without a latent. A word is
matched by script, capitals, length, ending and document frequency; a token window by its token
count, its first characters and its end. Of the candidates that other documents attest at the place
of the atom, the one is drawn that they attest about as often as the atom. Text of any sibling is
never an alternative, and held-out documents give none.

The level records how far the search went. For a word: see `collocations.Fit`. For a window: 0 it
stands beside the same token in its own document, 1 beside a token of the same class, 2 anywhere.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from compiler.probes import collocations, leakage
from compiler.probes.checks import has_control
from compiler.probes.collocations import Collocations, Frames, Place, pairs_in
from compiler.probes.junctions import LAST_LEVEL, Junctions
from compiler.probes.lexicon import UNKNOWN, Lexicon, Numbers
from compiler.probes.sampling import Stream
from compiler.probes.segment import MIDDLE, closing_of
from compiler.probes.siblings import Siblings
from compiler.probes.stock import Stock
from compiler.probes.tokens import Tokenizer, Tokens
from compiler.probes.windows import Windows
from compiler.words import is_placeholder, is_plain, script

_TRIES = 200
_FEW = 32
_OTHER_DOCUMENT = 0.5
_UNLIKE = 0.35
_NO_WORD = -2
# More than all other costs.
_SAME_WORD = 100.0
# Measured: with this value, held-out documents choose the atom in about half of the decided pairs
# in every cell, at places with few attestations and with many.
_RAISED = 1.25


@dataclass(frozen=True)
class Donor:
    """A document from which others take alternatives.

    `chunks`: chunks of its text in a lexicon; `texts`: chunks of all of its siblings, each
    separately; `tokens`: its tokens by tokenizer identity.
    """

    doc_id: str
    text: str
    chunks: Numbers
    texts: Sequence[Numbers]
    tokens: dict[str, Tokens]

    def windows(self, tokenizer: str) -> Windows:
        """Return the windows of its text."""
        return Windows.of(self.text, self.tokens[tokenizer])


@dataclass(frozen=True, slots=True)
class Lens:
    """A token window that needs an alternative.

    `place`: the token beside it at the split; `start`: number of tokens before it in its document;
    `closing`: class of its end (see `probes.segment`), None if any end will do; `count`: number of
    its tokens; `question`: the probe's question.
    """

    doc_id: str
    text: str
    place: Place
    start: int
    closing: int | None
    count: int
    question: str


class _Around:
    """One document and those nearest to it, for all of its slots."""

    def __init__(self, own: int, pool: Pool) -> None:
        self.own = own
        near = [place for place in pool.stock.nearest(own) if place in pool.pairs]
        self.nearby = pool.stock.held(near)
        # Its number among the documents that give alternatives, and the cost of windows of each.
        self.number = pool.numbers.get(own, -1)
        self.elsewhere = np.full(len(pool.numbers), _OTHER_DOCUMENT)
        self.elsewhere[[pool.numbers[place] for place in near]] = 0.0
        # Its own attestations are left out of all counts.
        self.counts = Collocations([pool.pairs[own]] if own in pool.pairs else [], pool.lexicon)
        # By place of a window, see `Pool._strength`.
        self.strength: dict[tuple[str, str], NDArray[np.float64]] = {}


class Pool:
    """The documents of one shard as a source of alternatives for one another."""

    def __init__(self, donors: Iterable[Donor], lexicon: Lexicon) -> None:
        """Index the documents. `lexicon`: the lexicon that numbers their chunks."""
        self.donors = sorted(donors, key=lambda donor: donor.doc_id)
        self.lexicon = lexicon
        self.stock = Stock([donor.chunks for donor in self.donors], lexicon)
        self._place = {donor.doc_id: place for place, donor in enumerate(self.donors)}
        held = collocations.held_out(self._place)
        # Of the documents that give alternatives.
        self.pairs = {
            place: pairs_in(self.donors[place].texts, lexicon)
            for name, place in self._place.items()
            if name not in held
        }
        self.numbers = {place: number for number, place in enumerate(self.pairs)}
        self._given = self.stock.held(self.pairs)
        self._around: tuple[str, _Around] | None = None
        self._unwritten: tuple[str, Numbers, Numbers] | None = None
        self._known: dict[str, Junctions] = {}
        self._windows: dict[tuple[int, str], Windows] = {}

    @cached_property
    def _frames(self) -> Frames:
        return Frames(self.pairs.values(), self.lexicon)

    def word(
        self,
        atom: str,
        place: Place,
        question: str,
        doc_id: str,
        siblings: Siblings,
        stream: Stream,
    ) -> tuple[str, int, int] | None:
        """Draw a word like `atom` that no sibling has: (word, level, pool size) or None.

        The pool size counts the candidates of one step of the search, including those within one
        edit of the atom, which are never drawn.
        """
        around = self._near(doc_id)
        wanted = _target(self._attested(place, atom, around))
        words, tokens = self._words(doc_id, siblings)
        fitting = (words[fit[tokens]] for fit in self._frames.levels(place))
        pools = (self.stock.alike(atom, each, question) for each in fitting)
        for level, pool in self._steps(atom, pools):
            strength = self._frames.strength(place, self.stock.tokens[pool])
            cost = np.abs(np.log1p(strength) - wanted)
            cost += _UNLIKE * self.stock.unlikeness(atom, pool)
            cost += np.where(around.nearby[pool], 0.0, _OTHER_DOCUMENT)
            for number in _cheapest(cost, stream):
                word = self.stock.words[pool[number]]
                if not _one_edit(word.casefold(), atom.casefold()) and not siblings.hold(
                    f" {word}"
                ):
                    return word, level, len(pool)
        return None

    def window(
        self, like: Lens, tokenizer: Tokenizer, siblings: Siblings, stream: Stream
    ) -> tuple[str, int, int] | None:
        """Draw a window like an atom: (text, level, pool size) or None.

        It has the same token count and the same classes of beginning and end.

        The pool size counts the windows of the level that begin and end alike, before their
        content and the siblings rule some of them out.
        """
        mine = tokenizer.ids(like.text)
        around = self._near(like.doc_id)
        junctions = self._junctions(tokenizer.identity)
        opening = self._windows_of(around.own, tokenizer.identity).opening_at(like.start)
        strength = self._strength(like.place, around)
        wanted = _target(self._attested(like.place, like.text, around))
        touching = self._word_at(like.place, like.text)
        for level in range(LAST_LEVEL + 1):
            starts = junctions.starts(like.place, level, opening, like.closing, like.count)
            source = junctions.windows.text_of(starts)
            edge = junctions.edge(like.place, starts, like.count)
            # With the same word at the split, other documents attest both texts equally often.
            same = edge == touching
            kept = source != around.number
            kept &= ~same | (level == LAST_LEVEL)
            starts = starts[kept]
            cost = np.abs(strength[edge[kept]] - wanted)
            cost += around.elsewhere[source[kept]]
            if level == LAST_LEVEL:
                cost += np.where(same[kept], _SAME_WORD, 0.0)
            tried = set[str]()
            for number in islice(_cheapest(cost, stream), _TRIES):
                text = junctions.windows.window(int(starts[number]), like.count)
                # Most windows of few tokens stand in several places.
                if text in tried:
                    continue
                tried.add(text)
                if _unlike(like, mine, tokenizer, text) and siblings.never_wrote(text):
                    return text, level, len(starts)
        return None

    def _steps(self, atom: str, pools: Iterable[Numbers]) -> Iterator[tuple[int, Numbers]]:
        """Yield the candidates in order of search, with the level of each step.

        A word of another ending seldom fits the sentence, attested or not, so at the first two
        levels such words come last, behind those of both levels that end like the atom.
        """
        later: list[tuple[int, Numbers]] = []
        for level, pool in enumerate(pools):
            if level > 1:
                yield from later
                later = []
                yield level, pool
            else:
                ending = self.stock.end_alike(atom, pool)
                yield level, pool[ending]
                later.append((level, pool[~ending]))

    def _words(self, doc_id: str, siblings: Siblings) -> tuple[Numbers, Numbers]:
        """Return the words of other documents that no sibling has, and the token of each."""
        if self._unwritten is None or self._unwritten[0] != doc_id:
            found = self.stock.unwritten(self._given, siblings.all_chunks)
            self._unwritten = doc_id, found, self.stock.tokens[found]
        return self._unwritten[1:]

    def _attested(self, place: Place, text: str, around: _Around) -> int:
        """Count the attestations of a text at a place, in other documents."""
        return place.attested(text, self._frames.pairs) - place.attested(text, around.counts)

    def _word_at(self, place: Place, text: str) -> int:
        """Return the number of a window's word at the split; -2 for a mark or an unknown word.

        An alternative may end with the full stop of the atom: few places allow another mark.
        """
        token = place.edge(text)
        number = self._frames.pairs.number(token)
        return number if token[:1].isalnum() and number != UNKNOWN else _NO_WORD

    def _strength(self, place: Place, around: _Around) -> NDArray[np.float64]:
        """Return, per token, the logarithm of its attestations beside the place, plus one.

        Other documents only. The last entry is that of `UNKNOWN`.
        """
        key = place.left, place.right
        if key not in around.strength:
            found = np.zeros(self.lexicon.words_known + 1)
            for sign, counts in ((1, self._frames.pairs), (-1, around.counts)):
                tokens, documents = counts.beside(place)
                found[tokens] += sign * documents
            tokens, _ = self._frames.pairs.beside(place)
            found[tokens] = np.log1p(found[tokens])
            around.strength[key] = found
        return around.strength[key]

    def _junctions(self, tokenizer: str) -> Junctions:
        if tokenizer not in self._known:
            parts = [self._windows_of(place, tokenizer) for place in self.pairs]
            tokens = [self.lexicon.tokens(self.donors[place].chunks) for place in self.pairs]
            self._known[tokenizer] = Junctions(parts, tokens, self._frames)
        return self._known[tokenizer]

    def _windows_of(self, place: int, tokenizer: str) -> Windows:
        """Return the windows of a document."""
        key = place, tokenizer
        if key not in self._windows:
            self._windows[key] = self.donors[place].windows(tokenizer)
        return self._windows[key]

    def _near(self, doc_id: str) -> _Around:
        """Return the surroundings of a document. The slots of a document are consecutive."""
        if self._around is None or self._around[0] != doc_id:
            self._around = doc_id, _Around(self._place[doc_id], self)
        return self._around[1]


def _target(attested: int) -> float:
    """Return the logarithm of the attestations that an alternative should have, plus one.

    The atom's, which its own document attests once more, and a share on top: a candidate is chosen
    for its count, which chance has raised, while the atom is not.
    """
    return math.log1p(1 + _RAISED * attested)


def _cheapest(cost: NDArray[np.float64], stream: Stream) -> Iterator[int]:
    """Yield the indices of costs, cheapest first; equal costs begin at a random one."""
    if not len(cost):
        return
    first = stream.below(len(cost))
    rolled = np.concatenate([cost[first:], cost[:first]])
    # One of the first few is nearly always taken, so the others are sorted only if they are needed.
    limit = np.partition(rolled, _FEW)[_FEW] if len(cost) > _FEW else np.inf
    for part in (np.less, np.equal, np.greater):
        places = np.flatnonzero(part(rolled, limit))
        if part is not np.equal:
            places = places[np.argsort(rolled[places], kind="stable")]
        for place in places:
            yield (int(place) + first) % len(cost)


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


def _unlike(like: Lens, mine: Sequence[int], tokenizer: Tokenizer, text: str) -> bool:
    """Return whether a window has the atom's token count and differs from it in content."""
    if like.closing not in (None, closing_of(text)) or not leakage.bare(text):
        return False
    theirs = tokenizer.ids(text)
    # With the same end mark, which is a token, the content before it must differ.
    ending = like.closing not in (None, MIDDLE) and like.count > 1 and theirs[-1:] == mine[-1:]
    left, right = ({*(ids[:-1] if ending else ids)} for ids in (mine, theirs))
    shared = len(left & right) / len(left | right)
    differs = len(theirs) == like.count and (shared < 0.3 or (like.count == 1 and shared == 0.0))
    # A window that the checks would reject is skipped here, so that the slot is not lost.
    return (
        differs
        and script(text) == script(like.text)
        and is_plain(text) == is_plain(like.text)
        and not has_control(text)
        and not is_placeholder(text)
        and not leakage.verbatim_in(text, (leakage.squash(like.question),))
    )
