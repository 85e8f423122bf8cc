"""How much of one text shows in another: normalisation, containment, n-grams."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

import regex

from compiler.words import WORD, content_stems, stems

_SPACE = regex.compile(r"\s+")
_EDGE = regex.compile(r"^[\W_]+|[\W_]+$")

def squash(text: str) -> str:
    """NFKC, case-folded, whitespace runs as one space: for comparing, never for offsets."""
    return _SPACE.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


def bare(text: str) -> str:
    """`squash` without punctuation at the edges."""
    return _EDGE.sub("", squash(text))


def recall(of: str, within: str) -> float:
    """Share of the content stems of one text that occur in another; 0 if it has none."""
    wanted = content_stems(of)
    return len(wanted & stems(within)) / len(wanted) if wanted else 0.0


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Word n-grams of a text, normalised."""
    tokens = [word.casefold() for word in WORD.findall(text)]
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def verbatim_in(text: str, others: Iterable[str]) -> bool:
    """Whether a text occurs in any of the squashed `others`, punctuation at its edges aside."""
    wanted = bare(text)
    return bool(wanted) and any(wanted in other for other in others)


def support(atom: str, others: Iterable[str]) -> int:
    """How many other texts hold most of an atom's content: at least 60% of its content stems."""
    wanted = content_stems(atom)
    if not wanted:
        return 0
    return sum(len(wanted & stems(other)) >= 0.6 * len(wanted) for other in others)
