"""Words as both the domain and the embedded model see them: tokens, stems, content words."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations

import regex

WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’\-][\p{L}\p{M}]+)*|\p{N}+(?:[.,]\p{N}+)*")
_LATIN = regex.compile(r"\p{Latin}")

STOPWORDS = frozenset(
    """a about above across after again against all almost along already also although always am
    among an and another any anybody anyone anything anywhere are around as at away back be
    became because become becomes been before behind being below between beyond both but by came
    can cannot come could did do does doing done down during each either else enough even ever
    every everyone everything everywhere few first for from further gave get give given go goes
    going gone got had has have having he her here hers herself him himself his how however i if
    in indeed instead into is it its itself just keep kept last least less let like likely made
    make makes making many may maybe me might mine more moreover most mostly much must my myself
    near neither never nevertheless next no nobody none nor not nothing now nowhere of off often
    on once one only onto or other others otherwise our ours ourselves out over own per perhaps
    put quite rather really said same say says second see seem seemed seems several shall she
    should since so some somehow someone something sometimes somewhere still such take taken
    than that the their theirs them themselves then there thereby therefore these they thing
    things third this those though three through throughout thus to together too took toward
    towards two under until up upon us use used using very was way we well went were what
    whatever when whenever where whereas wherever whether which while who whoever whole whom
    whose why will with within without would yet you your yours yourself yourselves""".split()
)


_ENDINGS = tuple(
    """ations ation ingly edly ness ments ment ings ions ives ities ion ive ity ing ies ied ful ers
    est er ed es ly s""".split()
)


# Shorter texts are not asked about again; whole documents are, by every probe on them.
_LONG = 400


@lru_cache(maxsize=1 << 17)
def stem(word: str) -> str:
    """A simple English stem: case-folded, possessive and common inflections cut.

    Errs on the side of merging: it is used to keep related words out.
    """
    low = word.casefold().replace("’", "'")
    low = low.removesuffix("'s").removesuffix("'")
    for ending in _ENDINGS:
        if low.endswith(ending) and len(low) - len(ending) >= 3:
            low = low[: -len(ending)]
            break
    # study, studies, studying; secure, security: what is left may still end in a vowel sign.
    return low[:-1] if len(low) > 3 and low[-1] in "eiy" else low


@lru_cache(maxsize=1 << 17)
def is_content(word: str) -> bool:
    """Whether a word carries content: letters mostly, not a stopword, 4 letters if Latin."""
    letters = sum(char.isalpha() for char in word)
    if letters < 0.8 * len(word) or word.casefold().replace("’", "'") in STOPWORDS:
        return False
    return len(word) >= 4 or (_LATIN.search(word) is None and len(word) >= 1)


def words_of(text: str) -> Sequence[str]:
    """The words of a text, in order."""
    return _words_of_long(text) if len(text) >= _LONG else WORD.findall(text)


@lru_cache(maxsize=64)
def _words_of_long(text: str) -> tuple[str, ...]:
    return tuple(WORD.findall(text))


@lru_cache(maxsize=64)
def spans_of(text: str) -> tuple[list[int], list[int]]:
    """Where the words of a text start, and where they end."""
    found = [match.span() for match in WORD.finditer(text)]
    return [start for start, _ in found], [end for _, end in found]


def vocabulary(text: str) -> set[str]:
    """The different words of a text."""
    return set(words_of(text))


# The same few texts (sides of a split, siblings) are asked about once per probe.
@lru_cache(maxsize=256)
def content_stems(text: str) -> frozenset[str]:
    """Stems of the content words of a text."""
    return frozenset(stem(word) for word in vocabulary(text) if is_content(word))


@lru_cache(maxsize=256)
def stems(text: str) -> frozenset[str]:
    """Stems of all words of a text, and of the parts of its hyphenated ones."""
    found: set[str] = set()
    for word in vocabulary(text):
        found.add(stem(word))
        if "-" in word:
            parts = word.split("-")
            spans = combinations(range(len(parts) + 1), 2)
            found.update(stem("-".join(parts[start:end])) for start, end in spans)
    return frozenset(found)


def says_nothing(text: str) -> bool:
    """Whether a text is a placeholder, as a model writes that copies an example: `...`, `<answer>`.

    It has no letter or digit, or is nothing but one expression in angle brackets.
    """
    bare = text.strip().strip("\"'`.")
    return not any(map(str.isalnum, bare)) or (
        bare.startswith("<") and bare.endswith(">") and bare.count("<") == 1
    )
