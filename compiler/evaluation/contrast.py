"""The contrastive win: the true answer against the plausible wrong one, by log probabilities.

Normalisation changes the winner, so that it is fixed before scoring and part of the metric's name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

from compiler.evaluation.predictions import Prediction
from compiler.evaluation.subject import Item

Normalisation = Literal["sum", "token", "byte", "pmi"]
NORMALISATIONS: tuple[Normalisation, ...] = ("sum", "token", "byte", "pmi")


def metric(name: Normalisation) -> str:
    """Return the name of the metric."""
    return f"win_{name}"


def wins(
    item: Item, given: Sequence[Prediction], reference: Sequence[Prediction]
) -> Mapping[str, float]:
    """Compute the win under every normalisation, on average over samples.

    A win is 1 if the truth has the higher normalised log probability, 1/2 if both are equal. `sum`
    of tokens; `token`: over the number of tokens; `byte`: over the bytes in UTF-8; `pmi`: less that
    under the method's shuffled control, `reference`, which may be empty.
    """
    true_first = item.first
    pairs = [_ordered(true_first, each) for each in given]
    own = [pair for pair in pairs if pair is not None]
    if not own:
        return {}
    base = [pair for each in reference if (pair := _ordered(true_first, each)) is not None]
    other = item.alternative
    sizes = (len(item.truth.encode("utf-8")), len(other.encode("utf-8")))
    found = {
        metric("sum"): _mean([_win(sum(a) - sum(b)) for a, b in own]),
        metric("token"): _mean([_win(sum(a) / len(a) - sum(b) / len(b)) for a, b in own]),
        metric("byte"): _mean([_win(sum(a) / sizes[0] - sum(b) / sizes[1]) for a, b in own]),
    }
    if base:
        prior = _mean([sum(a) - sum(b) for a, b in base])
        found[metric("pmi")] = _mean([_win(sum(a) - sum(b) - prior) for a, b in own])
    return found


def _ordered(true_first: bool, each: Prediction) -> tuple[list[float], list[float]] | None:
    """Return the log probabilities of the truth and of the alternative."""
    if each.choice_logprobs is None:
        return None
    first, second = each.choice_logprobs
    return (first, second) if true_first else (second, first)


def _win(difference: float) -> float:
    return 0.5 if difference == 0 else float(difference > 0)


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
