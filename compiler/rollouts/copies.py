"""Copies: continuations that repeat their prefix or one another."""

from __future__ import annotations

from collections.abc import Iterable

from compiler.words import words_of


def grams(text: str, size: int) -> frozenset[tuple[str, ...]]:
    """Return the distinct runs of `size` words of a text, case-folded."""
    words = [word.casefold() for word in words_of(text)]
    return frozenset(zip(*(words[place:] for place in range(size)), strict=False))


def contained(part: frozenset[tuple[str, ...]], whole: frozenset[tuple[str, ...]]) -> float:
    """Return the containment of Broder 1997: the share of one set of runs that another holds.

    0 for an empty set.
    """
    return len(part & whole) / len(part) if part else 0.0


def overlap(text: str, others: Iterable[str], size: int) -> float:
    """Return the largest containment between a text and any other, in either direction.

    `size`: words per run. A text that is the beginning of another is contained in it, and so is
    the reverse.
    """
    own = grams(text, size)
    found = 0.0
    for other in others:
        theirs = grams(other, size)
        found = max(found, contained(own, theirs), contained(theirs, own))
    return found
