"""Near misses: sentences that resemble an original but claim something else, from the complement.

The original's subject, or with a penalty a subject of the complement, is joined with one or two
predicates that the complement has for other subjects. A sentence that a sibling contains, nearly or
for the most part in one run of words, is rejected, so there may be none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher

import regex

from compiler.containment import WordRuns
from compiler.embedded import language
from compiler.embedded.language import Clause
from compiler.words import content_stems

_PHRASE_END = regex.compile(
    r"[,;]|\s(?:and|but|or|which|who|that|when|while|because|with|in|on|for|by|from|at|to)\b"
)
# Stricter than the check of a built row, so that punctuation makes no difference.
_MOST_IN_A_RUN, _MOST_GRAMS = 0.68, 0.49
_TRIED = 1500
_PERSONAL = frozenset(["i", "he", "she", "it", "they", "we", "you"])


class NearMisses:
    """The near misses from one complement; no predicate comes first in two of them."""

    def __init__(self, complement: str, siblings: Sequence[str]) -> None:
        self._flat = [" ".join(text.split()).casefold() for text in siblings]
        self._runs = WordRuns(siblings)
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
            donors = [
                donor
                for donor in self._donors
                if donor.subject != subject and _number(donor) in (number, "any")
            ]
            for donor in donors:
                if donor.rest in self._used:
                    continue
                for made, penalty in self._drafts(subject, donor, donors, sentence):
                    if 0.5 <= len(made) / len(sentence) <= 1.9:
                        worth = self._fit(made, sentence) - rank - penalty
                        found.append((worth, made, donor.rest))
        for _, draft, rest in sorted(found, key=lambda each: -each[0])[:_TRIED]:
            made_of = self._joined(draft, sentence)
            if made_of is not None and not self._copied(made_of):
                self._used.add(rest)
                return made_of
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

    def _drafts(
        self, subject: str, donor: Clause, donors: Sequence[Clause], sentence: str
    ) -> Iterator[tuple[str, float]]:
        """Yield joined subjects and predicates of about a sentence's length, with a penalty."""
        words = len(sentence.split()) - len(subject.split())
        for head in _heads(donor.rest, (words, words // 2, words - 4)):
            made = f"{subject} {donor.verb} {head}"
            yield made, 0.0
            for other in self._donors:
                if other is not donor and other.subject != subject:
                    if language.names_something(other.subject):
                        yield f"{made}, like {language.lower_first(other.subject)}", 0.2
                    for tail in _heads(other.rest, (words // 2,)) if other in donors else ():
                        used = 0.3 * (other.rest in self._used)
                        yield f"{made} and {other.verb} {tail}", used

    def _joined(self, draft: str, sentence: str) -> str | None:
        """Return a draft as a sentence, None if it is no sound alternative."""
        made = language.compress(draft, max(8, 2 * len(sentence.split())))
        if not 0.5 <= len(made) / len(sentence) <= 1.9:
            return None
        new = content_stems(made)
        same = len(new & content_stems(sentence)) / max(1, len(new))
        poor = same > 0.6 or len(new) < 2 or not language.is_clean(made)
        run, grams = self._runs.contained(made)
        copied = run > _MOST_IN_A_RUN or grams > _MOST_GRAMS
        return None if poor or copied or self._written(made) else made

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


def _heads(rest: str, most: Sequence[int]) -> list[str]:
    """Return beginnings of a predicate that end at a phrase's end, of up to these many words."""
    words = rest.split()
    found = []
    for each in most:
        if len(words) <= max(4, each):
            found.append(rest.rstrip(" .!?…,;"))
            continue
        head = " ".join(words[: max(4, each)])
        ends = [m.start() for m in _PHRASE_END.finditer(head) if head[: m.start()].count(" ") > 1]
        found += [head[: ends[-1]]] if ends else []
    return list(dict.fromkeys(found))


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
