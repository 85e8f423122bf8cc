"""Local policies: comparison of an answer with the truth by its words, without a judge.

They compare wording, not meaning: a paraphrase scores low. Meant for first results and rehearsals.
"""

from __future__ import annotations

import unicodedata
from collections import Counter

import regex

_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")


def tokens(text: str) -> list[str]:
    """Return the words of a text in NFKC, case-folded, without punctuation."""
    return _WORD.findall(unicodedata.normalize("NFKC", text).casefold())


def exact_match(answer: str, truth: str) -> float:
    """Return 1 if answer and truth have the same words in the same order, else 0."""
    return 1.0 if tokens(answer) == tokens(truth) else 0.0


def token_f1(answer: str, truth: str) -> float:
    """Compute F1 of the two bags of words, 2PR / (P + R), as in SQuAD (Rajpurkar et al. 2016)."""
    given, wanted = Counter(tokens(answer)), Counter(tokens(truth))
    both = (given & wanted).total()
    if not both:
        return 0.0
    precision, recall = both / given.total(), both / wanted.total()
    return 2 * precision * recall / (precision + recall)
