"""Near misses: sentences that resemble an original but claim something else, from the complement.

The original's subject, or with a penalty a subject of the complement, is joined with a predicate
that the complement has for another subject. A sentence that a sibling contains, even nearly, is
rejected, so there may be none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import regex

from compiler.embedded import language
from compiler.embedded.language import Clause
from compiler.words import content_stems

_PHRASE_END = regex.compile(
    r"[,;]|\s(?:and|but|or|which|who|that|when|while|because|with|in|on|for|by|from|at|to)\b"
)
_PERSONAL = frozenset(["i", "he", "she", "it", "they", "we", "you"])


class NearMisses:
    """The near misses from one complement; no predicate is used twice."""

    def __init__(self, complement: str, siblings: Sequence[str]) -> None:
        self._flat = [" ".join(text.split()).casefold() for text in siblings]
        lines = [line for line in language.sentences(complement) if language.is_clean(line)]
        found = map(language.clause, lines)
        self._lines = [
            line.casefold().split() for text in siblings for line in language.sentences(text)
        ]
        self._donors = [c for c in found if c is not None and len(c.rest.split()) >= 3]
        self._used: set[str] = set()

    def of(self, sentence: str) -> str | None:
        """Return a near miss of a sentence, of about its length, or None."""
        original = language.clause(sentence)
        found: list[tuple[float, str, str]] = []
        for subject, number, rank in self._subjects(original):
            for donor in self._donors:
                if donor.rest in self._used or donor.subject == subject:
                    continue
                if _number(donor) not in (number, "any"):
                    continue
                made = self._joined(subject, donor, sentence)
                if made is not None:
                    found.append((self._fit(made, sentence) - rank, made, donor.rest))
        for _, made, rest in sorted(found, key=lambda each: -each[0]):
            if not self._copied(made):
                self._used.add(rest)
                return made
        return None

    def all(self, sentences: Sequence[str]) -> str | None:
        """Return the near misses of sentences; None if only one of several sentences has one."""
        made = [each for each in map(self.of, sentences) if each is not None]
        return " ".join(made) if len(made) >= min(2, len(sentences)) else None

    def _subjects(self, original: Clause | None) -> Iterator[tuple[str, str, float]]:
        """Yield subjects with their grammatical number and a penalty for unlikeness."""
        if original is not None:
            pronoun = original.subject.casefold() in _PERSONAL
            if pronoun or language.names_something(original.subject):
                yield original.subject, _subject_number(original), 0.2 * pronoun
        for donor in self._donors:
            if language.names_something(donor.subject):
                yield donor.subject, _subject_number(donor), 0.5

    def _joined(self, subject: str, donor: Clause, sentence: str) -> str | None:
        words = len(sentence.split())
        # A long predicate would copy the complement, so about the needed length is taken.
        rest = donor.rest.split()
        tail = " ".join(rest[: max(4, words - len(subject.split()))])
        cut = len(tail.split()) < len(rest)
        if cut:
            ends = [
                m.start() for m in _PHRASE_END.finditer(tail) if tail[: m.start()].count(" ") > 1
            ]
            if not ends:
                return None
            tail = tail[: ends[-1]]
        made = language.compress(f"{subject} {donor.verb} {tail}", max(8, 2 * words))
        if not 0.5 <= len(made) / len(sentence) <= 1.9:
            return None
        new = content_stems(made)
        same = len(new & content_stems(sentence)) / max(1, len(new))
        poor = same > 0.6 or len(new) < 2 or not language.is_clean(made)
        return None if poor or self._written(made) else made

    def _fit(self, made: str, sentence: str) -> float:
        return -abs(len(made) / len(sentence) - 1)

    def _copied(self, made: str) -> bool:
        """Return whether a sentence of a sibling differs in at most one word of six."""
        own = made.casefold().split()
        for line in self._lines:
            if 0.7 < len(line) / len(own) < 1.4:
                matcher = SequenceMatcher(None, own, line, autojunk=False)
                if matcher.quick_ratio() > 0.83 and matcher.ratio() > 0.83:
                    return True
        return False

    def _written(self, made: str) -> bool:
        flat = " ".join(made.split()).casefold().rstrip(".!?")
        return any(flat in text for text in self._flat)


def _number(clause: Clause) -> str:
    """Return the grammatical number of a verb by its form: singular, plural or any."""
    low = clause.verb.casefold()
    if low in ("am", "are", "were", "have", "do"):
        return "plural"
    if low in ("was", "does") or (low.endswith("s") and not low.endswith("ss")):
        return "singular"
    return "any"


def _subject_number(clause: Clause) -> str:
    """Return the grammatical number of a subject, by its verb or else by its form."""
    by_verb = _number(clause)
    low = clause.subject.casefold()
    if by_verb != "any":
        return by_verb
    if low in _PERSONAL:
        return "singular" if low in ("he", "she", "it") else "plural"
    head = regex.split(r"\s(?:of|in|on|at|by|for|with|from|to|about)\s", low)[0]
    plural = (head.endswith("s") and not head.endswith("ss")) or " and " in low
    return "plural" if plural else "singular"
