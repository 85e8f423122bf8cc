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

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.probes.lexicon import UNKNOWN, Lexicon, Numbers
from compiler.probes.sampling import rank
from compiler.records import Probe
from compiler.words import STOPWORDS, ending, tokens_in

Bools = NDArray[np.bool_]

_REACH = 80
_FEWEST = 8


def held_out(doc_ids: Collection[str]) -> frozenset[str]:
    """Return the documents of a shard that are held out for the test of alternatives.

    None of fewer than 8 documents, which are too few for both purposes.
    """
    ranked = sorted(doc_ids, key=lambda doc_id: rank("held out", doc_id))
    return frozenset(ranked[: len(ranked) // 2] if len(ranked) >= _FEWEST else ())


class Collocations:
    """Pairs of neighbouring tokens in documents. Tokens are numbered by a lexicon."""

    def __init__(self, documents: Iterable[Sequence[Numbers]], lexicon: Lexicon) -> None:
        """Count the pairs. `documents`: the chunks of each of their texts."""
        found = [_pairs([lexicon.tokens(text) for text in texts]) for texts in documents]
        every = np.concatenate([np.zeros(0, np.int64), *found])
        self._known = lexicon.known_word
        self.table = Table.of(every)

    def number(self, token: str) -> int:
        """Return the number of a token, `UNKNOWN` if it has none."""
        return self._known(token)

    def count(self, left: str, right: str) -> int:
        """Return the number of documents in which `left` stands immediately before `right`."""
        return self.table.count(self._known(left), self._known(right))

    def after(self, left: str) -> tuple[Numbers, Numbers]:
        """Return the numbers of the tokens that stand after one, and of the documents of each."""
        return self.table.after(self._known(left))

    def before(self, right: str) -> tuple[Numbers, Numbers]:
        """Return the numbers of the tokens that stand before one, and of the documents of each."""
        return self.table.before(self._known(right))


class Table:
    """Pairs of numbers with their counts. `pairs`: sorted, the left number in the high bits."""

    def __init__(self, pairs: Numbers, counts: Numbers) -> None:
        """Sort the pairs by their right numbers as well."""
        self._pairs, self._counts = pairs, counts
        self.lefts, self.rights = pairs >> 32, pairs & _LOW
        self._by_right = np.argsort(self.rights, kind="stable")
        self._sorted_rights = self.rights[self._by_right]

    @classmethod
    def of(cls, pairs: Numbers) -> Table:
        """Count the pairs, given in any order."""
        return cls(*np.unique(pairs, return_counts=True))

    def count(self, left: int, right: int) -> int:
        """Return the count of a pair."""
        if UNKNOWN in (left, right):
            return 0
        at = int(np.searchsorted(self._pairs, left << 32 | right))
        found = at < len(self._pairs) and int(self._pairs[at]) == left << 32 | right
        return int(self._counts[at]) if found else 0

    def after(self, left: int) -> tuple[Numbers, Numbers]:
        """Return the right numbers of a left one, with their counts."""
        first, last = np.searchsorted(self.lefts, [left, left + 1])
        return self.rights[first:last], self._counts[first:last]

    def before(self, right: int) -> tuple[Numbers, Numbers]:
        """Return the left numbers of a right one, with their counts."""
        first, last = np.searchsorted(self._sorted_rights, [right, right + 1])
        places = self._by_right[first:last]
        return self.lefts[places], self._counts[places]


_LOW = (1 << 32) - 1


def _pairs(texts: Iterable[Numbers]) -> Numbers:
    """Return the distinct pairs of neighbouring tokens of one document."""
    found = [(tokens[:-1] << 32) | tokens[1:] for tokens in texts]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *found]))


def before(text: str, at: int) -> str:
    """Return the last token before an offset, case-folded, or an empty text."""
    found = tokens_in(text, max(0, at - _REACH), at)
    return found[-1].casefold() if found else ""


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
        first, last = after(wanted, 0), before(wanted, len(wanted))
        left = counts.count(self.left, first) if self.left else 0
        return left + (counts.count(last, self.right) if self.right else 0)


@dataclass(frozen=True, slots=True)
class Fit:
    """How well each of some tokens fits a place.

    `strength`: documents that attest it beside either neighbour, summed; `levels`: 0 both
    neighbours, 1 one of them and the class of the other, 2 both classes, 3 none of these.
    """

    strength: Numbers
    levels: Numbers


class Frames:
    """The pairs of neighbouring tokens of some documents, and of classes and tokens."""

    def __init__(self, documents: Iterable[Sequence[Numbers]], lexicon: Lexicon) -> None:
        """Count the pairs. `documents`: the chunks of each of their texts."""
        self.pairs = Collocations(documents, lexicon)
        self._lexicon = lexicon
        self._classes: dict[str, int] = {}
        left, right = self.pairs.table.lefts, self.pairs.table.rights
        names = lexicon.known_words
        # The class of each token; `UNKNOWN` for tokens of no pair.
        self.classes = classes = np.full(len(names), UNKNOWN)
        for token in np.unique(np.concatenate([left, right])).tolist():
            classes[token] = self._numbered(names[token])
        self._after_class = Table.of(classes[left] << 32 | right)
        self._before_class = Table.of(left << 32 | classes[right])

    def class_of(self, token: str) -> int:
        """Return the number of a token's class, `UNKNOWN` if no document has the class."""
        return self._classes.get(_class(token), UNKNOWN)

    def fit(self, place: Place, tokens: Numbers) -> Fit:
        """Return how well tokens fit a place."""
        # A place at an end of a text has one neighbour.
        left = self._at(self.pairs.after(place.left)) if place.left else self._nothing()
        right = self._at(self.pairs.before(place.right)) if place.right else self._nothing()
        like_left = self._at(self._after_class.after(self.class_of(place.left)))
        like_right = self._at(self._before_class.before(self.class_of(place.right)))
        on_left, on_right = left[tokens] > 0, right[tokens] > 0
        fits_left, fits_right = like_left[tokens] > 0, like_right[tokens] > 0
        levels = np.select(
            [
                on_left & on_right,
                (on_left & fits_right) | (on_right & fits_left),
                fits_left & fits_right,
            ],
            [0, 1, 2],
            3,
        )
        return Fit(left[tokens] + right[tokens], levels)

    def _at(self, found: tuple[Numbers, Numbers]) -> Numbers:
        counts = self._nothing()
        counts[found[0]] = found[1]
        return counts

    def _nothing(self) -> Numbers:
        return np.zeros(self._lexicon.words_known, np.int64)

    def _numbered(self, token: str) -> int:
        return self._classes.setdefault(_class(token), len(self._classes))


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
        self._documents = {name: documents[name] for name in names}
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
