"""Near misses: sentences shaped like others that say something else, made of the complement.

First the subject of the original with what the complement says of something else; then a subject of
the complement with what it says of another; then the original with other figures. Where none of
these gives a sentence that is clearly wrong and that nobody wrote, there is none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import regex

from compiler.llm.providers.extractive import language
from compiler.llm.providers.extractive.language import Clause
from compiler.words import content_stems

_NUMBER = regex.compile(r"(?<![\p{L}\p{N}.,])\d+(?![\p{L}\p{N}]|[.,]\d)")
_PERSONAL = frozenset(["i", "he", "she", "it", "they", "we", "you"])


class NearMisses:
    """Makes near misses from one complement; no predicate is used twice."""

    def __init__(self, complement: str, siblings: Sequence[str]) -> None:
        self._flat = [" ".join(text.split()).casefold() for text in siblings]
        found = (language.clause(line) for line in language.sentences(complement))
        self._donors = [c for c in found if c is not None and len(c.rest.split()) >= 3]
        self._used: set[str] = set()

    def of(self, sentence: str) -> str | None:
        """A near miss of a sentence, of about its length, or None."""
        original = language.clause(sentence)
        best: tuple[float, str, str] | None = None
        for subject, number, rank in self._subjects(original):
            for donor in self._donors:
                if donor.rest in self._used or donor.subject == subject:
                    continue
                if _number(donor) not in (number, "any"):
                    continue
                made = self._joined(subject, donor, sentence)
                if made is not None:
                    fit = self._fit(made, sentence) - rank
                    if best is None or fit > best[0]:
                        best = (fit, made, donor.rest)
        if best is not None:
            self._used.add(best[2])
            return best[1]
        return self._recounted(sentence)

    def all(self, sentences: Sequence[str]) -> str | None:
        """Near misses of the sentences that have one; None for fewer than two of many."""
        made = [each for each in map(self.of, sentences) if each is not None]
        return " ".join(made) if len(made) >= min(2, len(sentences)) else None

    def _subjects(self, original: Clause | None) -> Iterator[tuple[str, str, float]]:
        """Subjects with their number and a penalty for being far from the original."""
        if original is not None:
            pronoun = original.subject.casefold() in _PERSONAL
            if pronoun or language.names_something(original.subject):
                yield original.subject, _subject_number(original), 0.2 * pronoun
        for donor in self._donors:
            if language.names_something(donor.subject):
                yield donor.subject, _subject_number(donor), 0.5

    def _joined(self, subject: str, donor: Clause, sentence: str) -> str | None:
        words = len(sentence.split())
        made = language.compress(f"{subject} {donor.verb} {donor.rest}", max(8, 2 * words))
        if not 0.5 <= len(made) / len(sentence) <= 1.9:
            return None
        new = content_stems(made)
        same = len(new & content_stems(sentence)) / max(1, len(new))
        return None if same > 0.6 or len(new) < 2 or self._written(made) else made

    def _fit(self, made: str, sentence: str) -> float:
        return -abs(len(made) / len(sentence) - 1)

    def _recounted(self, sentence: str) -> str | None:
        """The sentence with its figures changed; None when it has fewer than two."""
        changed = 0

        def figure(match: regex.Match[str]) -> str:
            nonlocal changed
            changed += 1
            value = int(match.group())
            return str(value + max(2, value // 7) if value < 1500 else value + 11)

        made = _NUMBER.sub(figure, language.tidy(sentence))
        return made if changed >= 2 and not self._written(made) else None

    def _written(self, made: str) -> bool:
        flat = " ".join(made.split()).casefold().rstrip(".!?")
        return any(flat in text for text in self._flat)


def _number(clause: Clause) -> str:
    """Which subjects a verb agrees with, as far as its form tells."""
    low = clause.verb.casefold()
    if low in ("am", "are", "were", "have", "do"):
        return "plural"
    if low in ("was", "does") or (low.endswith("s") and not low.endswith("ss")):
        return "singular"
    return "any"


def _subject_number(clause: Clause) -> str:
    """The number of a subject: what its verb says, or how its last word ends."""
    said = _number(clause)
    low = clause.subject.casefold()
    if said != "any" or low in _PERSONAL:
        return said if said != "any" else "singular" if low in ("he", "she", "it") else "plural"
    plural = (low.endswith("s") and not low.endswith("ss")) or " and " in low
    return "plural" if plural else "singular"
