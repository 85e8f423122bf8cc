"""English heuristics of the rule-based model: sentences, clauses, topics, compression."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeVar

import regex

from compiler.words import STOPWORDS, WORD, content_stems, is_content, stem

T = TypeVar("T")

COPULAS = frozenset(["is", "are", "was", "were"])
MODALS = frozenset("""will shall must should may can could would might""".split())
HAVES = frozenset(["has", "have", "had"])
_VERBS = (
    COPULAS
    | MODALS
    | HAVES
    | frozenset(
        """became become becomes remains remained seems seemed appears appeared gave give gives took
    take takes made make makes came come comes went goes said says saw sees found finds knew
    knows thought think believe believes stood stands lay lies led leads held holds kept keeps
    brought brings sent sends left leaves lost loses began begins ran runs rose rises fell falls
    grew grows drew draws won wins met meets built builds set sets put puts let lets told tells
    asked asks includes include contains consists belongs depends forms provides requires means
    shows includes allows continues involves covers produces exports borders do does did""".split()
    )
)
_PRONOUNS = frozenset(
    """he she it they this that these those there who which what one such here i we you his her its
    their my our your some others another him them me us all both each none many most few""".split()
)
_DETERMINERS = frozenset(
    "a an the this that these those his her its their my our your some each any no every".split()
)
_PREPOSITIONS = frozenset(
    """of in on at by for with from after before under over to as when if since while during
    without within upon into through between among against about like because where though
    although until toward towards whilst whereas unless despite""".split()
)
# Without a comma, an adverb leads only before a subject: not "in addition to", "so that" or "thus
# did". Never "for", which begins a phrase, nor "nor", which negates.
_LEADING = regex.compile(
    r"^(?:(?:and|but|or|yet)(?:,\s+|\s+(?!,))"
    r"|(?:so|then|now|thus|also|again|still|moreover|however|therefore|furthermore|in addition"
    r"|in fact|indeed|finally|meanwhile|nevertheless|of course|at last|on the other hand"
    r"|for example|for instance|as a result|in this way|at the same time)"
    r"(?:,\s+|\s+(?=(?:the|an?|this|these|those|i|he|she|it|they|we|you|there|his|her|its|their"
    r"|our|my)\s)))+",
    regex.IGNORECASE,
)
# No topics: contractions, and the nouns of connectives such as "of course" and "in turn".
_CONTRACTION = regex.compile(r"n['’]t$|['’](?:ll|re|ve|d|m)$", regex.IGNORECASE)
_CONNECTIVE = frozenset("addition case course example fact instance result turn way".split())
_BEGINS_SENTENCE = regex.compile(r"(?:\A|[.!?…:][\"”’')\]]*\s+|\n\s*)[\"“‘'(\[]*$")
_MODIFIED = regex.compile(r"\b(\p{L}+) (\p{Ll}[\p{L}\-]+) ([\p{L}\p{M}’'\-]+)")
_SUBORDINATORS = frozenset(
    """after although as because before even if once since though unless until when whenever where
    whereas while whilst""".split()
)
_PARENTHESIS = regex.compile(r"\s*[(\[][^()\[\]]{0,120}[)\]]")
# Not after an initial; the pronoun "I" ends a sentence unless another initial precedes it. Not
# after an abbreviation that stands before a name, or before a number.
_SENTENCE_END = regex.compile(
    r"(?<=[.!?…][\"”’')\]]{0,2})(?<!\b[\p{Lu}--I]\.)(?<!\b\p{Lu}\.[\s-]?I\.)"
    r"(?<!\b(?:Mr|Mrs|Ms|Dr|St|Mt|Prof|Gen|Col|Capt|Lt|Rev|Hon|Sen|Rep|Gov|vs|cf|ca|e\.g|i\.e)\.)"
    r"(?!(?<=\b(?:[Nn]o|[Nn]os|[Vv]ol|[Ff]ig|pp?|c)\.)\s+\p{N})"
    r"\s+(?=[\p{Lu}\p{N}\"“‘'(])|\n+",
    regex.VERSION1,
)
_CAPITALISED = regex.compile(
    r"\p{Lu}[\p{L}’'\-]+(?:\s+(?:of|the|and|de|von)\s+\p{Lu}[\p{L}’'\-]+|\s+\p{Lu}[\p{L}’'\-]+){0,4}"
)

_BRACKETS = (("(", ")"), ("[", "]"), ("{", "}"), ("“", "”"))
_LATER = regex.compile(r"\b(?:and|but|which|who)\s+(\p{L}+)\s+")


@dataclass(frozen=True, slots=True)
class Clause:
    """A sentence split at its first verb."""

    subject: str
    verb: str
    rest: str


def choose(items: Sequence[T], *name: str | int) -> T:
    """Return one of the items, chosen deterministically by a name."""
    digest = hashlib.sha256("/".join(map(str, name)).encode("utf-8")).digest()
    return items[int.from_bytes(digest[:8], "big") % len(items)]


@lru_cache(maxsize=256)
def sentences(text: str) -> tuple[str, ...]:
    """Return the sentences of a text, approximately; those of up to 15 characters are left out."""
    return tuple(piece.strip() for piece in _SENTENCE_END.split(text) if len(piece.strip()) > 15)


def is_clean(sentence: str) -> bool:
    """Return whether a line is a sentence: at least five words, a final mark, no markup."""
    return (
        len(sentence.split()) >= 5
        and sentence.rstrip('"”’)]').endswith((".", "!", "?", "…"))
        and not any(mark in sentence for mark in "<>*#|")
    )


def tidy(sentence: str) -> str:
    """Return a sentence on one line, without a leading connective or unbalanced quotes."""
    line = " ".join(sentence.split())
    line = _LEADING.sub("", line).strip()
    if line.count('"') % 2 or line.count("“") != line.count("”"):
        line = line.replace('"', "").replace("“", "").replace("”", "")
    return line[:1].upper() + line[1:]


@lru_cache(maxsize=1 << 14)
def clause(sentence: str) -> Clause | None:
    """Return subject, first verb and rest of a sentence, or None if no short subject is found."""
    line = tidy(sentence)
    words = list(regex.finditer(r"[\p{L}\p{M}\p{N}’'\-]+", line))
    for number, word in enumerate(words[:14]):
        low = word.group().casefold()
        inflected = (
            number > 1
            and len(low) > 5
            and low.endswith("ed")
            and word.group().islower()
            and line[: word.start()].split()[-1].casefold() not in _DETERMINERS
        )
        if (low in _VERBS or inflected) and number > 0:
            subject = line[: word.start()].strip(" ,;:—-–")
            rest = line[word.end() :].strip()
            last = (WORD.findall(subject) or [""])[-1].casefold()
            dangling = last in STOPWORDS and last not in _PRONOUNS
            if "," in subject or dangling or not rest[:1].isalnum() or len(subject) < 2:
                return None
            return Clause(subject, word.group(), rest)
    return None


def clauses(sentence: str) -> list[Clause]:
    """Return the clause of a sentence, and its later predicates with the same subject.

    A later predicate begins with a verb behind "and", "but", "which" or "who".
    """
    first = clause(sentence)
    if first is None:
        return []
    found = [first]
    for later in _LATER.finditer(first.rest):
        verb, rest = later[1], first.rest[later.end() :]
        if verb in _VERBS and rest[:1].isalnum():
            found.append(Clause(first.subject, verb, rest))
    return found


def is_closed(phrase: str) -> bool:
    """Return whether a phrase closes its brackets and quotes, and names both ends of a range."""
    closed = all(phrase.count(opening) == phrase.count(closing) for opening, closing in _BRACKETS)
    low = f" {phrase.casefold()} "
    return closed and phrase.count('"') % 2 == 0 and (" and " in low or " between " not in low)


def names_something(subject: str) -> bool:
    """Return whether a subject is clear by itself: content words, no bare pronoun."""
    words = WORD.findall(subject)
    if (
        not words
        or len(words) > 9
        or words[0].casefold() in (_PRONOUNS - _DETERMINERS) | _PREPOSITIONS
    ):
        return False
    if (words[0].casefold() in _DETERMINERS and len(words) == 1) or not is_closed(subject):
        return False
    if any(word.casefold() in ("that", "which", "who", "when", "if", "as") for word in words):
        return False
    return any(is_content(word) for word in words)


def lower_first(phrase: str) -> str:
    """Return a phrase as inside a sentence: names and acronyms keep their capital."""
    first, _, rest = phrase.partition(" ")
    plain = first.casefold() in STOPWORDS or first.casefold() in ("a", "an", "the")
    return first.casefold() + (" " + rest if rest else "") if plain and first != "I" else phrase


def topics(text: str, within: str, limit: int) -> list[str]:
    """Return up to `limit` topic phrases of a text, those shared with `within` first."""
    shared = content_stems(within)
    counts: Counter[str] = Counter()
    forms: dict[str, str] = {}
    named = _names(text) | _names(within)
    for before, word, after in _in_context(text):
        low = word.casefold()
        if (
            is_content(word)
            and low not in _VERBS | _CONNECTIVE
            and not low.endswith("ly")
            and not _CONTRACTION.search(low)
            and (_nounlike(before, word, after) or (word[0].isupper() and stem(word) in named))
        ):
            root = stem(word)
            counts[root] += 1
            forms.setdefault(root, regex.sub(r"['’]s?$", "", word))
    first = {root: place for place, root in enumerate(counts)}
    ranked = sorted(
        counts,
        key=lambda root: (
            -(2 * (root in shared) + (root in named) + min(2, counts[root] - 1)),
            first[root],
        ),
    )
    phrases: list[str] = []
    for root in ranked:
        phrase = _with_neighbours(text, forms[root])
        if not any(phrase in other or other in phrase for other in phrases):
            phrases.append(phrase)
    return phrases[:limit]


@lru_cache(maxsize=256)
def _names(text: str) -> frozenset[str]:
    """Return the stems of capitalised words, without those that only begin a sentence."""
    found: set[str] = set()
    for name in _CAPITALISED.finditer(text):
        words = WORD.findall(name.group())
        subject = text[name.end() :].split(maxsplit=1)[:1]
        if (
            len(words) > 1
            or (subject and subject[0] in COPULAS | HAVES | MODALS)
            or not _BEGINS_SENTENCE.search(text, max(0, name.start() - 8), name.start())
        ):
            found |= {stem(word) for word in words}
    return frozenset(found)


def _in_context(text: str) -> list[tuple[str, str, str]]:
    """Return every word with the tokens before and after it (words or punctuation)."""
    tokens = regex.findall(r"[\p{L}\p{M}]+(?:['’\-][\p{L}\p{M}]+)*|[^\s\p{L}\p{M}]", text)
    return [
        (tokens[i - 1] if i else "", token, tokens[i + 1] if i + 1 < len(tokens) else ".")
        for i, token in enumerate(tokens)
        if token[0].isalpha()
    ]


def _nounlike(before: str, word: str, after: str) -> bool:
    """Return whether a word is placed like a noun: after a determiner, say, and ending a phrase."""
    low = before.casefold()
    if word.casefold().endswith(("ly", "ed", "ing", "ful", "ous", "ive", "able", "ible", "less")):
        return False
    if low in _PRONOUNS - _DETERMINERS or low in MODALS | COPULAS or low in ("to", "not", "very"):
        return False
    if _CONTRACTION.search(low):
        return False
    ends = after.casefold() in STOPWORDS or not after[:1].isalpha()
    follows = low in _DETERMINERS or low in _PREPOSITIONS or is_content(before)
    return ends and follows


def _with_neighbours(text: str, word: str) -> str:
    """Return the name that a topic word is part of, or the word with one modifier before it."""
    for name in _CAPITALISED.findall(text):
        parts = WORD.findall(name)
        if word in parts:
            while parts and parts[0].casefold() in STOPWORDS:
                name = name.partition(" ")[2]
                parts = parts[1:]
            if len(parts) > 1:
                return regex.sub(r"['’]s?$", "", " ".join(name.split()))
    modifier = _modifiers(text).get(word)
    return f"{modifier} {word}" if modifier else word


@lru_cache(maxsize=16)
def _modifiers(text: str) -> dict[str, str]:
    """Return words with the content word between them and a determiner or preposition."""
    return {
        found[3]: found[2]
        for found in _MODIFIED.finditer(text, overlapped=True)
        if found[1].casefold() in _DETERMINERS | _PREPOSITIONS and is_content(found[2])
    }


def compress(sentence: str, most_words: int) -> str:
    """Return a sentence without parentheses, cut at a clause end, if any, when it is too long."""
    line = _PARENTHESIS.sub("", tidy(sentence)).strip()
    words = line.split()
    if len(words) <= most_words:
        return _stop(line)
    kept = " ".join(words[:most_words])
    for mark in ("; ", ": ", ", ", " — ", "--"):
        head, found, _ = kept.rpartition(mark)
        while found and len(head.split()) >= most_words // 2:
            if _stands_alone(head):
                return _stop(head)
            head, found, _ = head.rpartition(mark)
    return _stop(line)


def _stands_alone(head: str) -> bool:
    """Return whether the beginning of a sentence is closed and holds its main clause.

    Behind a subordinate clause, the main clause begins with a comma.
    """
    first, *_ = head.casefold().split()
    main = head.partition(", ")[2] if first in _SUBORDINATORS else head
    verb = any(word in _VERBS or word.endswith("ed") for word in WORD.findall(main.casefold()))
    return verb and is_closed(head) and not head.endswith(".")


def _stop(line: str) -> str:
    line = line.rstrip(" ,;:—-–")
    return line if line.endswith((".", "!", "?", "…", "”", '"')) else line + "."


def pieces(sentence: str) -> list[str]:
    """Return the clauses of a sentence, at least one."""
    parts = regex.split(
        r"[,;:—]\s+|\s+(?=(?:which|who|that|because|while|although|but|and)\b)", sentence
    )
    found = [part.strip(' .,;:—"“”') for part in parts if len(part.split()) >= 2]
    return found or [sentence.strip()]


def short(text: str, most_words: int = 9) -> str:
    """Return the first words of a text, with an ellipsis if it is longer."""
    words = text.split()
    return " ".join(words[:most_words]) + ("..." if len(words) > most_words else "")
