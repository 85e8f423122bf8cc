"""Can atom and alternative be told apart without reading anything else?

A choice-only classifier: if it succeeds, the alternatives carry an artefact of how they were made,
and a contrast between the two measures that as well (Gururangan et al. 2018, "Annotation Artifacts
in Natural Language Inference Data").
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence

from compiler.probes.sampling import rank

_FOLDS = 5
_MIN_PAIRS = 50


def choice_auc(pairs: Sequence[tuple[str, str, str]]) -> float | None:
    """AUC of telling truth from alternative within a pair; None for fewer than 50 pairs.

    `pairs`: (doc_id, truth, alternative). A multinomial naive Bayes over character 1- to 3-grams
    and length classes, Laplace-smoothed, in 5 folds that keep a document together. Within each
    pair the one scored higher counts as the guess, ties half: the two-alternative AUC.
    """
    usable = [pair for pair in pairs if pair[1] and pair[2]]
    if len(usable) < _MIN_PAIRS:
        return None
    features = [(doc, _features(truth), _features(other)) for doc, truth, other in usable]
    folds = [int.from_bytes(rank("fold", doc)[:4], "big") % _FOLDS for doc, _, _ in features]
    truths: list[Counter[str]] = [Counter() for _ in range(_FOLDS)]
    others: list[Counter[str]] = [Counter() for _ in range(_FOLDS)]
    for fold, (_, truth, other) in zip(folds, features, strict=True):
        truths[fold].update(truth)
        others[fold].update(other)
    wins = 0.0
    for fold in range(_FOLDS):
        weights = _weights(_without(truths, fold), _without(others, fold))
        for place, (_, truth, other) in enumerate(features):
            if folds[place] == fold:
                difference = _score(truth, weights) - _score(other, weights)
                wins += 0.5 if difference == 0 else float(difference > 0)
    return wins / len(features)


def _features(text: str) -> Counter[str]:
    padded = f"^{text}$"
    found = Counter(padded[i : i + n] for n in (1, 2, 3) for i in range(len(padded) - n + 1))
    found[f"length {int(4 * math.log2(len(text)))}"] = 3
    return found


def _without(counts: Sequence[Counter[str]], fold: int) -> Counter[str]:
    """The counts of all folds but one."""
    total: Counter[str] = Counter()
    for number, each in enumerate(counts):
        if number != fold:
            total.update(each)
    return total


def _weights(truths: Counter[str], others: Counter[str]) -> dict[str, float]:
    vocabulary = truths.keys() | others.keys()
    base = math.log((truths.total() + len(vocabulary)) / (others.total() + len(vocabulary)))
    return {
        feature: math.log((truths[feature] + 1) / (others[feature] + 1)) - base
        for feature in vocabulary
    }


def _score(features: Counter[str], weights: dict[str, float]) -> float:
    total = features.total()
    return sum(count * weights.get(each, 0.0) for each, count in features.items()) / total
