"""Choice-only accuracy: a classifier picks the truth from truth and alternative, without context.

An accuracy above chance shows that the alternatives carry an artifact of how they were made, and a
contrast between truth and alternative then measures that artifact too (Gururangan et al. 2018,
"Annotation Artifacts in Natural Language Inference Data").
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.auc import clustered_auc
from compiler.statistics.measures.clusters import Clusters, clustered_error
from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval, Z
from compiler.statistics.measures.units import Floats, Ints, rounded

FOLDS = 5
MIN_PAIRS = 50
MAX_CHARS = 300
_BUCKETS = 2**16
# Log odds are whole ten-thousandths, so that their sums are exact in any order; final scores are
# whole millionths, so that a difference in the last bit cannot break a tie.
_ODDS = 10_000
_SCORE = 1_000_000
_CHUNK = 500_000
_NEWTON = 25
_RIDGE = 1.0
_START, _END = "\x02", "\x03"


class Choice(Struct, frozen=True):
    """Results of a classifier of texts alone on held-out pairs.

    `auc`: P(a truth scores above an alternative of any pair); `won`: choice-only accuracy, the
    share of pairs whose truth scores above its own alternative, ties half. Both are .5 by chance;
    `n` counts texts in `auc` and pairs in `won`. The values are None for fewer than 50 pairs or 5
    documents. The intervals are those of this classifier; another may do better.
    """

    pairs: int
    documents: int
    auc: Interval
    won: Interval


def choice(
    truths: Sequence[str], others: Sequence[str], documents: Sequence[str] | npt.ArrayLike
) -> Choice:
    """Train and test a classifier of truths against alternatives, by 5-fold cross-validation.

    `truths`, `others` (the alternatives), `documents`: one entry per pair; texts are not empty.

    Folds keep a document together. A multinomial naive Bayes over hashed character 1- to
    3-grams of the first 300 characters gives log odds, and a ridge logistic regression weighs them
    with length and the counts of digits, capitals, spaces and punctuation. The log odds that the
    regression is trained on come from models that saw neither the text's fold nor the tested fold.
    Rows are sorted first, so their order does not matter.
    """
    names = np.asarray(documents).tolist()
    rows = sorted(zip(names, truths, others, strict=True))
    clusters = Clusters.of(np.asarray([row[0] for row in rows]))
    pairs = len(rows)
    if pairs < MIN_PAIRS or clusters.count < FOLDS:
        none = Interval(None, None, None, pairs, clusters.count)
        return Choice(pairs, clusters.count, none, none)
    texts = [row[1] for row in rows] + [row[2] for row in rows]
    codes = np.concatenate([clusters.codes, clusters.codes])
    scores = _scores(texts, codes % FOLDS, np.arange(2 * pairs) < pairs)
    first, second = scores[:pairs], scores[pairs:]
    auc = clustered_auc(first, second, clusters.codes, clusters.codes)
    return Choice(pairs, clusters.count, auc, won(first, second, clusters))


def won(first: Floats, second: Floats, clusters: Clusters) -> Interval:
    """Estimate the share of pairs won, ties half, with a cluster-robust normal interval."""
    wins = (first > second) + 0.5 * (first == second)
    value, found = float(wins.mean()), clustered_error(wins, clusters)
    n, documents = len(wins), clusters.count
    if documents < MIN_DOCUMENTS or found.error is None:
        return Interval(rounded(value), None, None, n, documents)
    low, high = max(0.0, value - Z * found.error), min(1.0, value + Z * found.error)
    return Interval(rounded(value), rounded(low), rounded(high), n, documents)


def _scores(texts: list[str], folds: Ints, truth: npt.NDArray[np.bool_]) -> Floats:
    """Compute out-of-fold logits in millionths, (texts,)."""
    odds, grams = _odds(texts, folds, truth)
    surface = _surface(texts)
    found = np.empty(len(texts))
    for fold in range(FOLDS):
        total = odds[:, fold] / _ODDS
        features = np.column_stack([total, total / grams, surface])
        test = folds == fold
        found[test] = _regressed(features[~test], truth[~test], features[test])
    return np.rint(found * _SCORE)


def _odds(texts: list[str], folds: Ints, truth: npt.NDArray[np.bool_]) -> tuple[Ints, Ints]:
    """Sum the log odds of each text's n-grams (texts, FOLDS), and count them (texts,).

    Column f: by the naive Bayes model that was trained without fold f and the text's own fold.
    """
    counts = np.zeros((FOLDS, 2, _BUCKETS), dtype=np.int64)
    for places, buckets, _ in _grams(texts, np.lexsort((truth, folds)), folds * 2 + truth):
        fold, kind = int(folds[places[0]]), int(truth[places[0]])
        counts[fold, kind] += np.bincount(buckets, minlength=_BUCKETS)
    whole = counts.sum(axis=0)
    odds = np.zeros((len(texts), FOLDS), dtype=np.int64)
    grams = np.zeros(len(texts), dtype=np.int64)
    weights: dict[int, npt.NDArray[np.int32]] = {}
    for places, buckets, edges in _grams(texts, np.argsort(folds, kind="stable"), folds):
        own = int(folds[places[0]])
        if own not in weights:
            weights = {own: _weights(whole, counts, own)}
        odds[places] += np.add.reduceat(weights[own][buckets], edges[:-1], axis=0)
        grams[places] += np.diff(edges)
    return odds, grams


def _weights(whole: Ints, counts: Ints, own: int) -> npt.NDArray[np.int32]:
    """Compute Laplace-smoothed log odds of buckets (buckets, FOLDS) without folds f and `own`."""
    found = np.empty((_BUCKETS, FOLDS), dtype=np.int32)
    for fold in range(FOLDS):
        left = whole - counts[own] - (counts[fold] if fold != own else 0)
        sizes = left.sum(axis=1) + _BUCKETS
        base = np.log(sizes[1] / sizes[0])
        found[:, fold] = np.rint((np.log((left[1] + 1) / (left[0] + 1)) - base) * _ODDS)
    return found


def _grams(
    texts: list[str], order: Ints, group: Ints
) -> Iterator[tuple[Ints, npt.NDArray[np.uint32], Ints]]:
    """Yield hashed n-grams of texts in `order`, by chunks of one group: (texts, buckets, edges).

    1-, 2- and 3-grams of the same texts are three consecutive chunks; the buckets of the i-th text
    of a chunk are edges[i] to edges[i + 1]. A start mark and two end marks keep n-grams inside a
    text.
    """
    for places in _chunks(texts, order, group):
        cut = [texts[place][:MAX_CHARS] for place in places]
        points = _points("".join(f"{_START}{text}{_END}{_END}" for text in cut))
        lengths = np.asarray([len(text) for text in cut], dtype=np.int64) + 1
        edges = np.concatenate([[0], np.cumsum(lengths)])
        # N-grams start at the start mark and at each character, not at the end marks.
        starts = np.arange(edges[-1]) + 2 * np.repeat(np.arange(len(cut)), lengths)
        mixed = points[starts] * np.uint32(0x9E3779B1)
        for order_of_gram in range(3):
            if order_of_gram:
                following = points[starts + order_of_gram]
                mixed = ((mixed ^ (mixed >> np.uint32(15))) + following) * np.uint32(0x85EBCA6B)
            last = mixed ^ (mixed >> np.uint32(13))
            yield places, (last * np.uint32(0xC2B2AE35)) >> np.uint32(16), edges


def _chunks(texts: list[str], order: Ints, group: Ints, most: int = MAX_CHARS) -> Iterator[Ints]:
    """Split `order` where the group changes, and after half a million characters."""
    lengths = np.asarray([min(len(text), most) for text in texts])[order]
    filled = np.cumsum(lengths) // _CHUNK
    cuts = np.flatnonzero((np.diff(group[order]) != 0) | (np.diff(filled) != 0)) + 1
    yield from np.split(order, cuts)


def _points(text: str) -> npt.NDArray[np.uint32]:
    # Lone surrogates cannot be encoded otherwise.
    encoded = text.encode("utf-32-le", "surrogatepass")
    return np.frombuffer(encoded, dtype="<u4").astype(np.uint32)


def _surface(texts: list[str]) -> Floats:
    """Compute surface features of texts, (texts, 7).

    log(1 + count) of characters, digits, capitals, spaces and punctuation; 1 for a capital at the
    start; 1 for a sentence mark at the end.
    """
    size = len(texts)
    found = np.empty((size, 7))
    for places in _chunks(texts, np.arange(size), np.zeros(size, dtype=np.int64), sys.maxsize):
        every = _points("".join(texts[place] for place in places))
        edges = np.cumsum([0, *(len(texts[place]) for place in places)])
        starts, ends = edges[:-1], edges[1:] - 1
        digit = (every >= ord("0")) & (every <= ord("9"))
        capital = (every >= ord("A")) & (every <= ord("Z"))
        capital |= (every >= ord("À")) & (every <= ord("Þ")) & (every != ord("×"))
        space = (every == ord(" ")) | ((every >= 9) & (every <= 13)) | (every == 0xA0)
        small = (every >= ord("a")) & (every <= ord("z"))
        mark = (every < 128) & ~(digit | capital | space | small)
        found[places, 0] = np.log1p(np.diff(edges))
        for column, flags in enumerate((digit, capital, space, mark), start=1):
            counts = np.diff(np.searchsorted(np.flatnonzero(flags), edges))
            found[places, column] = np.log1p(counts)
        found[places, 5] = capital[starts]
        found[places, 6] = np.isin(every[ends], [ord(each) for each in ".!?"])
    return found


def _regressed(features: Floats, truth: npt.NDArray[np.bool_], wanted: Floats) -> Floats:
    """Fit a ridge logistic regression on standardised features by Newton's method.

    Returns the logits of `wanted`.
    """
    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.where(spread > 1e-9, spread, np.inf)
    table = np.column_stack([np.ones(len(features)), (features - mean) / spread])
    penalty = np.diag([0.0] + [_RIDGE] * features.shape[1])
    coefficients = np.zeros(table.shape[1])
    for _ in range(_NEWTON):
        chance = 1 / (1 + np.exp(-np.clip(table @ coefficients, -30, 30)))
        slope = table.T @ (truth - chance) - penalty @ coefficients
        bend = (table * (chance * (1 - chance))[:, None]).T @ table + penalty
        step = np.linalg.solve(bend, slope)
        coefficients = coefficients + step
        if float(np.abs(step).max()) < 1e-10:
            break
    found = np.full(len(wanted), coefficients[0])
    # Column by column, because a matrix product may round equal rows differently.
    for place in range(wanted.shape[1]):
        found += coefficients[place + 1] * ((wanted[:, place] - mean[place]) / spread[place])
    return found
