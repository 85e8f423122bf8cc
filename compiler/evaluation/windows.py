"""Measures of an answer to a lens probe, a window of tokens at the split, by tokens."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.probes.tokens import Tokenizer


def shares(answer: str, truth: str, tokenizer: Tokenizer) -> dict[str, float]:
    """Compute every measure of an answer, each at most 1.

    The answer is cut into tokens as it stands and behind a space, because the truth continues a
    text; each measure takes the better of the two. `prefix`: length of the common beginning over
    the tokens of the truth; `accuracy`: share of the truth's tokens that the answer has at the same
    place; `edit`: 1 - edit distance over the longer of the two, the answer cut to twice the truth's
    tokens; `exact`: 1 if all tokens are equal.
    """
    wanted = tokenizer.ids(truth)
    found = [_shares(tokenizer.ids(text), wanted) for text in (answer, f" {answer}")]
    return {name: max(each[name] for each in found) for name in found[0]}


def _shares(given: Sequence[int], wanted: Sequence[int]) -> dict[str, float]:
    if not wanted:
        return {"prefix": 0.0, "accuracy": 0.0, "edit": 0.0, "exact": 0.0}
    equal = [a == b for a, b in zip(given, wanted, strict=False)]
    common = equal.index(False) if False in equal else len(equal)
    cut = given[: 2 * len(wanted)]
    return {
        "prefix": common / len(wanted),
        "accuracy": sum(equal) / len(wanted),
        "edit": 1 - distance(cut, wanted) / max(len(cut), len(wanted)),
        "exact": float(list(given) == list(wanted)),
    }


def distance(first: Sequence[int], second: Sequence[int]) -> int:
    """Compute the edit distance (Levenshtein) of two sequences.

    Bit-parallel (Myers 1999, in the form of Hyyro 2003): a row of the table is one integer.
    """
    if not first:
        return len(second)
    places: dict[int, int] = {}
    for index, each in enumerate(first):
        places[each] = places.get(each, 0) | 1 << index
    full, last = (1 << len(first)) - 1, 1 << (len(first) - 1)
    up, down, found = full, 0, len(first)
    for each in second:
        match = places.get(each, 0)
        diagonal = (((match & up) + up) ^ up) | match | down
        right, left = down | ~(diagonal | up) & full, diagonal & up
        found += bool(right & last) - bool(left & last)
        right, left = (right << 1 | 1) & full, left << 1 & full
        up, down = left | ~(diagonal | right) & full, diagonal & right
    return found
