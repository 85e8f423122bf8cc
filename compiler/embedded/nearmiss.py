"""Near misses: sentences that resemble an original but claim something else, from the complement.

The original's subject, or with a penalty a subject of the complement, is joined with one or two
predicates that the complement has for other subjects. A sentence that a sibling contains, nearly or
for the most part in one run of words, is rejected, and so is one that shares most of its content
words with a sentence of the atom, so there may be none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from functools import lru_cache
from itertools import chain

import regex

from compiler.containment import WordRuns
from compiler.embedded import language
from compiler.embedded.language import Clause
from compiler.words import STOPWORDS, content_stems

_PHRASE_END = regex.compile(
    r"[,;]|\s(?:and|but|or|which|who|that|when|while|because|with|in|on|for|by|from|at)\b"
)
# Stricter than the check of a built row, so that punctuation makes no difference.
_MOST_IN_A_RUN, _MOST_GRAMS = 0.68, 0.49
_TRIED = 1500
# Penalties for "like SUBJECT" and for a second predicate, of which later sentences have more need.
_LIKE, _SECOND = 0.2, 0.1
_PERSONAL = frozenset(["i", "he", "she", "it", "they", "we", "you"])
# Words that cannot end a phrase: all function words but pronouns and adverbs.
_DANGLING = STOPWORDS - frozenset(
    """again alone already away back enough ever everyone everything forward he her hers herself him
    himself his i it itself last less made me mine more myself now one others ours
    ourselves she said something sometimes still them themselves there they things today together
    too us used way we well you yourself""".split()
)
# The words by which a predicate is known: two that begin alike count as one.
_KEY = 4


class NearMisses:
    """The near misses of an atom from its complement; no predicate is in two of them."""

    def __init__(self, atom: str, complement: str, siblings: Sequence[str]) -> None:
        self._truths = [content_stems(line) for line in language.sentences(atom)]
        self._flat = [_flat(text) for text in siblings]
        self._runs = WordRuns(siblings)
        lines = [line for line in language.sentences(complement) if language.is_clean(line)]
        found = chain.from_iterable(map(language.clauses, lines))
        self._lines = [
            line.casefold().split() for text in siblings for line in language.sentences(text)
        ]
        self._donors = [each for each in found if len(each.rest.split()) >= 3]
        self._used: set[str] = set()
        self._told = ""

    def of(self, sentence: str) -> str | None:
        """Return a near miss of a sentence, of about its length, or None."""
        found: list[tuple[float, str, set[str]]] = []
        for subject, (number, rank) in self._subjects(language.clause(sentence)).items():
            for made, penalty, keys in self._drafts(subject, number, sentence):
                if 0.5 <= len(made) / len(sentence) <= 1.9:
                    found.append((self._fit(made, sentence) - rank - penalty, made, keys))
        for _, draft, keys in sorted(found, key=lambda each: -each[0])[:_TRIED]:
            low = _flat(draft)
            if any(key in low for key in self._used):
                continue
            made_of = self._joined(draft, sentence)
            if made_of is not None and not self._copied(made_of):
                self._used |= keys
                self._told += f"{low} "
                return made_of
        return None

    def all(self, sentences: Sequence[str]) -> str | None:
        """Return the near misses of sentences; None if only one of several sentences has one."""
        made = [each for each in map(self.of, sentences) if each is not None]
        return " ".join(made) if len(made) >= min(2, len(sentences)) else None

    def _subjects(self, original: Clause | None) -> dict[str, tuple[str, float]]:
        """Return subjects with their grammatical number and a penalty for unlikeness."""
        found: dict[str, tuple[str, float]] = {}
        if original is not None:
            pronoun = original.subject.casefold() in _PERSONAL
            if pronoun or language.names_something(original.subject):
                found[original.subject] = _subject_number(original), 0.2 * pronoun
        for donor in self._donors:
            if language.names_something(donor.subject):
                found.setdefault(donor.subject, (_subject_number(donor), 0.5))
        return found

    def _drafts(
        self, subject: str, number: str, sentence: str
    ) -> Iterator[tuple[str, float, set[str]]]:
        """Yield joined subjects and predicates of about a sentence's length.

        Each comes with a penalty and the keys of its predicates, none of which is used yet.
        """
        words = len(sentence.split()) - len(subject.split())
        others = [each for each in self._donors if each.subject != subject]
        subjects = dict.fromkeys(each.subject for each in others)
        likes = [language.lower_first(each) for each in subjects if language.names_something(each)]
        free = [each for each in others if _number(each) in (number, "any")]
        heads = self._unused(free, (words, words // 2, words - 4))
        tails = self._unused(free, (words // 2, words // 3))
        for verb, head, key in heads:
            made = f"{subject} {verb} {head}"
            yield made, 0.0, {key}
            for other in likes:
                yield f"{made}, like {other}", _LIKE, {key}
            for verb_too, tail, key_too in tails:
                if key_too not in _flat(head) and key not in _flat(tail):
                    yield f"{made} and {verb_too} {tail}", _SECOND, {key, key_too}

    def _unused(
        self, donors: Sequence[Clause], most: tuple[int, ...]
    ) -> list[tuple[str, str, str]]:
        """Return verb, beginning and key of the predicates that no near miss has yet."""
        return [
            (donor.verb, head, key)
            for donor in donors
            for head in _heads(donor.rest, most)
            if (key := _key(head)) not in self._told
        ]

    def _joined(self, draft: str, sentence: str) -> str | None:
        """Return a draft as a sentence, None if it is no sound alternative."""
        made = language.compress(draft, max(8, 2 * len(sentence.split())))
        if not 0.5 <= len(made) / len(sentence) <= 1.9:
            return None
        new = content_stems(made)
        truths = (content_stems(sentence), *self._truths)
        same = max(len(new & truth) for truth in truths) / max(1, len(new))
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
        flat = _flat(made).rstrip(".!?")
        return any(flat in text for text in self._flat)


def _flat(text: str) -> str:
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=1 << 14)
def _heads(rest: str, most: tuple[int, ...]) -> list[str]:
    """Return beginnings of a predicate that end at a phrase's end, of up to these many words."""
    words = rest.split()
    found: dict[str, None] = {}
    for each in most:
        if len(words) <= max(4, each):
            heads = [rest.rstrip(" .!?…,;:")]
        else:
            head = " ".join(words[: max(4, each)])
            heads = [_phrase(head[: end.start()]) for end in _PHRASE_END.finditer(head)]
        whole = [each for each in heads if each.count(" ") > 1 and language.is_closed(each)]
        found |= dict.fromkeys(whole[-1:])
    return list(found)


def _phrase(text: str) -> str:
    """Return a text without the marks and function words that it must not end with."""
    words = text.split()
    while words and (words[-1].strip(",;:—-–").casefold() in _DANGLING | {""}):
        words.pop()
    return " ".join(words).rstrip(" ,;:—-–")


def _key(head: str) -> str:
    return _flat(" ".join(head.split()[:_KEY])).rstrip(" .!?…,;:")


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
