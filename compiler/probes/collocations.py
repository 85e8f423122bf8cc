"""Neighbouring tokens of documents, with the number of documents that attest each pair.

A token is a word, case-folded, or a punctuation mark. A document counts once for a pair, so that a
looping text does not outweigh others. The class of a token is the token itself if it is a function
word or a punctuation mark, else its ending, or that it is a number: a proxy for the part of speech
where a pair of words is rare.

Half of the documents of a shard are held out: alternatives are drawn with the pairs of the others
and tested with the pairs of these, so that the test counts nothing that the choice of an
alternative saw.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import UNKNOWN, Lexicon, Numbers, distinct
from compiler.probes.sampling import rank
from compiler.records import Probe
from compiler.words import STOPWORDS, ending, tokens_in

Bools = NDArray[np.bool_]
# Sorted numbers, with the count of each.
Counted = tuple[Numbers, Numbers]

_REACH = 80
_FEWEST = 8


def held_out(doc_ids: Collection[str]) -> frozenset[str]:
    """Return the documents of a shard that are held out for the test of alternatives.

    None of fewer than 8 documents, which are too few for both purposes.
    """
    ranked = sorted(doc_ids, key=lambda doc_id: rank("held out", doc_id))
    return frozenset(ranked[: len(ranked) // 2] if len(ranked) >= _FEWEST else ())


def pairs_in(texts: Iterable[Numbers], lexicon: Lexicon) -> Numbers:
    """Return the distinct pairs of neighbouring tokens of one document, sorted.

    `texts`: the chunks of each of its texts. A pair has its left token in the high bits.
    """
    found = [lexicon.tokens(text) for text in texts]
    return distinct(np.concatenate([_NONE, *(each[:-1] << 32 | each[1:] for each in found)]))


class Collocations:
    """Pairs of neighbouring tokens in documents. Tokens are numbered by a lexicon."""

    def __init__(self, documents: Iterable[Numbers], lexicon: Lexicon) -> None:
        """Count the documents of each pair. `documents`: `pairs_in` each of them."""
        self._known = lexicon.known_word
        self.table = Table.of(np.concatenate([_NONE, *documents]))

    def number(self, token: str) -> int:
        """Return the number of a token, `UNKNOWN` if it has none."""
        return self._known(token)

    def count(self, left: str, right: str) -> int:
        """Return the number of documents in which `left` stands immediately before `right`."""
        return self.table.count(self._known(left), self._known(right))

    def after(self, left: str) -> Counted:
        """Return the numbers of the tokens that stand after one, and of the documents of each."""
        return self.table.after(self._known(left))

    def before(self, right: str) -> Counted:
        """Return the numbers of the tokens that stand before one, and of the documents of each."""
        return self.table.before(self._known(right))

    def beside(self, place: Place) -> Counted:
        """Return the tokens that stand beside the only neighbour of a place, like `after`."""
        return self.after(place.left) if place.left else self.before(place.right)


class Table:
    """Pairs of numbers with their counts. `pairs`: sorted, the left number in the high bits."""

    def __init__(self, pairs: Numbers, counts: Numbers) -> None:
        self._pairs, self._counts = pairs, counts

    @classmethod
    def of(cls, pairs: Numbers) -> Table:
        """Count the pairs, given in any order."""
        return cls(*np.unique(pairs, return_counts=True))

    @property
    def lefts(self) -> Numbers:
        """The left number of each pair."""
        return self._pairs >> 32

    @property
    def rights(self) -> Numbers:
        """The right number of each pair."""
        return self._pairs & _LOW

    @cached_property
    def _swapped(self) -> Table:
        pairs = self.rights << 32 | self.lefts
        order = np.argsort(pairs)
        return Table(pairs[order], self._counts[order])

    def count(self, left: int, right: int) -> int:
        """Return the count of a pair."""
        if UNKNOWN in (left, right):
            return 0
        pair = left << 32 | right
        at = int(self._pairs.searchsorted(pair))
        return int(self._counts[at]) if at < len(self._pairs) and self._pairs[at] == pair else 0

    def after(self, left: int) -> Counted:
        """Return the right numbers of a left one, sorted, with their counts."""
        first, last = self._pairs.searchsorted([left << 32, (left + 1) << 32])
        return self._pairs[first:last] & _LOW, self._counts[first:last]

    def before(self, right: int) -> Counted:
        """Return the left numbers of a right one, sorted, with their counts."""
        return self._swapped.after(right)


_LOW = (1 << 32) - 1
_NONE = np.zeros(0, np.int64)


# The tokens beside a place are needed when an alternative is drawn, and when it is tested.
@lru_cache(maxsize=32)
def before(text: str, at: int) -> str:
    """Return the last token before an offset, case-folded, or an empty text."""
    found = tokens_in(text, max(0, at - _REACH), at)
    return found[-1].casefold() if found else ""


@lru_cache(maxsize=32)
def after(text: str, at: int) -> str:
    """Return the first token after an offset, case-folded, or an empty text."""
    found = tokens_in(text, at, at + _REACH)
    return found[0].casefold() if found else ""


class Place:
    """A place in a text where an atom or its alternative may stand.

    `left`, `right`: the tokens at its edges that the atom touches, empty where it has no such edge.
    """

    def __init__(self, left: str, right: str) -> None:
        """Record the edges."""
        self.left, self.right = left, right

    @classmethod
    def of(cls, probe: Probe, text: str) -> Place:
        """Return the place of a templated probe's atom.

        Both edges for a word; for a window, the edge at the split, which the complement shows.
        """
        window = probe.n_tokens is not None
        left = "" if window and probe.target == "prefix" else before(text, probe.atom_start)
        right = "" if window and probe.target == "suffix" else after(text, probe.atom_end)
        return cls(left, right)

    def edge(self, text: str) -> str:
        """Return the token of a text that would touch the only neighbour of this place."""
        return after(text, 0) if self.left else before(text, len(text))

    def attested(self, wanted: str, counts: Collocations) -> int:
        """Return the number of attestations of a text at this place, over both edges."""
        left = counts.count(self.left, after(wanted, 0)) if self.left else 0
        right = counts.count(before(wanted, len(wanted)), self.right) if self.right else 0
        return left + right


class Frames:
    """The pairs of neighbouring tokens of some documents, and of classes and tokens."""

    def __init__(self, documents: Iterable[Numbers], lexicon: Lexicon) -> None:
        """Count the pairs. `documents`: `pairs_in` each of them."""
        self.pairs = Collocations(documents, lexicon)
        self._lexicon = lexicon
        self._classes: dict[str, int] = {}
        left, right = self.pairs.table.lefts, self.pairs.table.rights
        names = lexicon.known_words
        present = np.zeros(len(names), np.bool_)
        present[left] = present[right] = True
        tokens = np.flatnonzero(present)
        # The class of each token; `UNKNOWN` for tokens of no pair.
        self.classes = classes = np.full(len(names), UNKNOWN)
        classes[tokens] = [self._numbered(names[token]) for token in tokens.tolist()]
        self._after_class = Table.of(classes[left] << 32 | right)
        self._before_class = Table.of(classes[right] << 32 | left)

    def class_of(self, token: str) -> int:
        """Return the number of a token's class, `UNKNOWN` if no document has the class."""
        return self._classes.get(_class(token), UNKNOWN)

    def levels(self, place: Place) -> Iterator[Bools]:
        """Yield the marked tokens that fit a place at each level, from the best.

        0: some document attests it beside both neighbours, 1: beside one, and beside the class of
        the other, 2: beside both classes, 3: all others.
        """
        # A place at an end of a text has one neighbour.
        on_left = self._marked(self.pairs.after(place.left))
        on_right = self._marked(self.pairs.before(place.right))
        better = on_left & on_right
        yield better
        fits_left = self._marked(self._after_class.after(self.class_of(place.left)))
        fits_right = self._marked(self._before_class.after(self.class_of(place.right)))
        for found in ((on_left & fits_right) | (on_right & fits_left), fits_left & fits_right):
            yield found & ~better
            better |= found
        yield ~better

    def strength(self, place: Place, tokens: Numbers) -> Numbers:
        """Count the documents that attest each token beside either neighbour, summed."""
        left, right = self.pairs.after(place.left), self.pairs.before(place.right)
        return _counts(left, tokens) + _counts(right, tokens)

    def _marked(self, found: Counted) -> Bools:
        marks = np.zeros(self._lexicon.words_known, np.bool_)
        marks[found[0]] = True
        return marks

    def _numbered(self, token: str) -> int:
        return self._classes.setdefault(_class(token), len(self._classes))


def _counts(found: Counted, tokens: Numbers) -> Numbers:
    """Return the count of each token, 0 for those that are not among the found ones."""
    numbers, counts = found
    if not len(numbers):
        return np.zeros(len(tokens), np.int64)
    at = np.minimum(numbers.searchsorted(tokens), len(numbers) - 1)
    return np.where(numbers[at] == tokens, counts[at], 0)


# Shards have most of their words in common.
@lru_cache(maxsize=1 << 16)
def _class(token: str) -> str:
    if token in STOPWORDS or not token or not token[0].isalnum():
        return token
    # An upper-case letter, because tokens are case-folded.
    return "N" if token[0].isdigit() else f"E{ending(token)}"


class HeldOut:
    """Attestations of atoms and alternatives in the held-out documents of a shard."""

    def __init__(self, documents: Mapping[str, Sequence[Numbers]], lexicon: Lexicon) -> None:
        """Count the pairs. `documents`: the chunks of each of their texts, by document id."""
        names = held_out(documents)
        self._documents = {name: pairs_in(documents[name], lexicon) for name in names}
        self._counts = Collocations(self._documents.values(), lexicon)
        self._lexicon = lexicon
        self._own: tuple[str, Collocations] | None = None

    def attestations(self, probe: Probe, text: str) -> tuple[int, int] | None:
        """Count those of a templated probe's atom and alternative at the atom's place.

        `text`: the chosen sibling. The probe's own document counts for neither. Returns None if no
        document is held out.
        """
        if not self._documents:
            return None
        place, own = Place.of(probe, text), self._of(probe.doc_id)

        def attested(wanted: str) -> int:
            return place.attested(wanted, self._counts) - place.attested(wanted, own)

        return attested(probe.response), attested(probe.alternative)

    def _of(self, name: str) -> Collocations:
        """Return what a document adds to the counts. Its slots are consecutive."""
        if self._own is None or self._own[0] != name:
            texts = [self._documents[name]] if name in self._documents else []
            self._own = name, Collocations(texts, self._lexicon)
        return self._own[1]
