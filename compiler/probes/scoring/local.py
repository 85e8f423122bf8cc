"""Local policies: comparison of an answer with the truth by its words, without a judge.

They compare wording, not meaning: a paraphrase scores low. Meant for first results and rehearsals.
"""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Sequence

from compiler.patterns import pattern

REACH = 20
_WORD = pattern(r"[\p{L}\p{M}\p{N}]+")


def tokens(text: str) -> list[str]:
    """Return the words of a text in NFKC, case-folded, without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def exact_match(answer: str, truth: str) -> float:
    """Return 1 if answer and truth have the same words in the same order, else 0.

    A text without words equals nothing.
    """
    return equal(tokens(answer), tokens(truth))


def equal(given: Sequence[str], wanted: Sequence[str]) -> float:
    """Return `exact_match` of two texts by their words."""
    return 1.0 if given and given == wanted else 0.0


def contained(given: Sequence[str], wanted: Sequence[str]) -> float:
    """Return 1 if the words of the truth are a run in the first words of the answer, else 0.

    A method answers in a sentence, so that an exact match is rare; a long answer that lists many
    words must not win, so only the first `REACH` words count.
    """
    given, size = given[:REACH], len(wanted)
    starts = range(len(given) - size + 1) if size else ()
    return 1.0 if any(given[start : start + size] == wanted for start in starts) else 0.0


def token_f1(answer: str, truth: str) -> float:
    """Compute F1 of the two bags of words, 2PR / (P + R), as in SQuAD (Rajpurkar et al. 2016)."""
    given, wanted = Counter(tokens(answer)), Counter(tokens(truth))
    both = (given & wanted).total()
    if not both:
        return 0.0
    precision, recall = both / given.total(), both / wanted.total()
    return 2 * precision * recall / (precision + recall)
