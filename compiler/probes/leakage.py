"""How much of one text shows in another: normalisation, containment, n-grams."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

import regex

from compiler.words import WORD, content_stems, stems

_SPACE = regex.compile(r"\s+")
_SENTENCE_END = regex.compile(r"(?<=[.!?])\s+")
_EDGE = regex.compile(r"^[\W_]+|[\W_]+$")


def squash(text: str) -> str:
    """NFKC, case-folded, whitespace runs as one space: for comparing, never for offsets."""
    text = unicodedata.normalize("NFKC", text).casefold()
    return str(_SPACE.sub(" ", text)).strip()


def bare(text: str) -> str:
    """`squash` without punctuation at the edges."""
    return str(_EDGE.sub("", squash(text)))


def recall(of: str, within: str) -> float:
    """Share of the content stems of one text that occur in another; 0 if it has none."""
    wanted = content_stems(of)
    return len(wanted & stems(within)) / len(wanted) if wanted else 0.0


def ngrams(text: str, n: int) -> set[tuple[str, ...]]:
    """Word n-grams of a text, normalised."""
    tokens = [word.casefold() for word in WORD.findall(text)]
    return {tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)}


def verbatim_in(text: str, others: Iterable[str]) -> bool:
    """Whether a text occurs, as whole words, in any of the squashed `others`."""
    wanted = bare(text)
    return bool(wanted) and any(_occurs(wanted, other) for other in others)


def _occurs(wanted: str, text: str) -> bool:
    at = text.find(wanted)
    while at >= 0:
        before, after = text[at - 1 : at], text[at + len(wanted) : at + len(wanted) + 1]
        if not (wanted[0].isalnum() and before.isalnum()) and not (
            wanted[-1].isalnum() and after.isalnum()
        ):
            return True
        at = text.find(wanted, at + 1)
    return False


def support(atom: str, others: Iterable[str]) -> int:
    """How many other texts hold most of an atom's content: at least 60% of its content stems."""
    wanted = content_stems(atom)
    if not wanted:
        return 0
    return sum(len(wanted & stems(other)) >= 0.6 * len(wanted) for other in others)


def similar(left: str, right: str) -> float:
    """Share of words that two texts have in common, in order (difflib ratio), 0 if far apart."""
    return _similar(left.split(), right.split())


def _similar(left: list[str], right: list[str]) -> float:
    matcher = difflib.SequenceMatcher(None, left, right, autojunk=False)
    near = matcher.real_quick_ratio() > 0.8 and matcher.quick_ratio() > 0.8
    return matcher.ratio() if near else 0.0


def sentence_words(squashed: Iterable[str]) -> list[list[str]]:
    """The words of every distinct sentence of some squashed texts."""
    found = {tuple(s.split()) for text in squashed for s in _SENTENCE_END.split(text)}
    return [list(words) for words in sorted(found) if len(words) >= 5]


def near_copy(text: str, sentences: Sequence[Sequence[str]]) -> str | None:
    """The sentence that a sentence of `text` copies but for a word in eight, if there is one."""
    for own in _SENTENCE_END.split(squash(text)):
        words = own.split()
        if len(words) < 5:
            continue
        for sentence in sentences:
            if 0.75 < len(sentence) / len(words) < 1.34 and _similar(words, [*sentence]) > 0.87:
                return own
    return None
