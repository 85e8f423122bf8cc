"""Detached tails: a continuation that leaves its topic and does not return.

Every sentence boundary splits a text in a head, with its prefix, and a tail. The cohesion of the
two is the cosine of their stems, weighted by the square of the inverse document frequency. A text
that jumps to another topic has a boundary whose cohesion is far below that of pieces of the head
with the rest of the head.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import log

import numpy as np
import regex
from numpy.typing import NDArray

from compiler.words import STOPWORDS, stem, words_of

_SENTENCE = regex.compile(r".+?(?:[.!?…。！？][\"'”’)\]]*(?=\s|$)|\n|$)", regex.DOTALL)
# A boundary whose cohesion is at least this is no jump, whatever the head's own cohesion is.
_COHESIVE = 0.03


@dataclass(frozen=True, slots=True)
class Weights:
    """Squared inverse document frequencies of stems. `rare`: of a stem that no document holds."""

    known: Mapping[str, float]
    rare: float

    def of(self, word: str) -> float:
        """Return the weight of a stem."""
        return self.known.get(word, self.rare)


@dataclass(frozen=True, slots=True)
class Cohesion:
    """The least cohesive boundary of a text.

    `score`: the higher, the more detached is the tail behind `at`, an offset into the
    continuation. `least`: the cohesion of the boundary, `own`: the mean of the head's pieces.
    """

    score: float
    least: float
    own: float
    at: int


def weights(texts: Iterable[str]) -> Weights:
    """Compute weights from texts, one document each: ln((1 + n) / (1 + df))^2.

    Source of the smoothed frequency: scikit-learn's TfidfTransformer, without its added one.
    """
    counts: dict[str, int] = {}
    number = 0
    for text in texts:
        number += 1
        for each in {*_stems(text)}:
            counts[each] = counts.get(each, 0) + 1
    known = {each: log((1 + number) / (1 + df)) ** 2 for each, df in counts.items()}
    return Weights(known, log(1 + number) ** 2)


def _stems(text: str) -> list[str]:
    return [stem(word) for word in words_of(text) if word.casefold() not in STOPWORDS]


def _spans(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in _SENTENCE.finditer(text) if match.group().strip()]


def _vectors(pieces: Sequence[str], weight: Weights) -> NDArray[np.float64]:
    """Return the weighted, damped stem counts, one row per piece and one column per stem."""
    places: dict[str, int] = {}
    rows = [[places.setdefault(each, len(places)) for each in _stems(piece)] for piece in pieces]
    found = np.zeros((len(pieces), max(1, len(places))))
    for row, columns in enumerate(rows):
        np.add.at(found[row], columns, 1.0)
    # Both vectors of a cosine hold the factor, so each has the root of the squared frequency.
    scale = np.array([weight.of(each) ** 0.5 for each in places] or [1.0])
    damped: NDArray[np.float64] = np.log1p(found) * scale
    return damped


def _cosines(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosine of each pair of rows, 0 where a row is zero."""
    norms = np.linalg.norm(left, axis=1) * np.linalg.norm(right, axis=1)
    dots: NDArray[np.float64] = (left * right).sum(axis=1)
    cosines: NDArray[np.float64] = np.divide(dots, norms, out=np.zeros_like(dots), where=norms > 0)
    return cosines


def cohesion(prefix: str, text: str, weight: Weights, min_tail: int) -> Cohesion | None:
    """Find the boundary of a continuation whose tail has least in common with all before it.

    `min_tail`: fewest characters of the tail, and of the continuation's part before it.

    Returns: None if no boundary leaves both.
    """
    spans = _spans(text)
    opening = [prefix[start:end] for start, end in _spans(prefix)] or [prefix]
    vectors = _vectors([*opening, *(text[start:end] for start, end in spans)], weight)
    sums = np.cumsum(vectors, axis=0)
    # A boundary before piece k leaves the text behind the start of its span as the tail.
    places = [
        k
        for k, (start, _) in enumerate(spans, len(opening))
        if start >= min_tail and len(text) - start >= min_tail
    ]
    if not places:
        return None
    heads_at = sums[[k - 1 for k in places]]
    cosines = _cosines(heads_at, sums[-1] - heads_at)
    low = int(np.argmin(cosines))
    least, place = float(cosines[low]), places[low]
    own = _own(vectors[:place], len(vectors) - place)
    score = own - least - (1.0 if least >= _COHESIVE else 0.0)
    return Cohesion(score, least, own, spans[place - len(opening)][0])


def _own(head: NDArray[np.float64], size: int) -> float:
    """Return the mean cosine of runs of `size` pieces of a head with the rest of that head.

    Runs shrink to half of a short head.
    """
    size = max(1, min(size, len(head) // 2))
    if len(head) < 2:
        return 0.0
    sums = np.concatenate([np.zeros((1, head.shape[1])), np.cumsum(head, axis=0)])
    pieces = sums[size:] - sums[:-size]
    return float(_cosines(pieces, sums[-1] - pieces).mean())
