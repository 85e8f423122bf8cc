"""Words that other documents attest at a place, by the tokens beside it or by their classes.

The class of a token is the token itself if it is a function word or a punctuation mark, else its
ending, or that it is a number: a proxy for the part of speech where a pair of words is rare.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from compiler.probes.collocations import Collocations, Place, Table
from compiler.probes.lexicon import UNKNOWN, Lexicon, Numbers
from compiler.words import STOPWORDS, ending

Bools = NDArray[np.bool_]


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
