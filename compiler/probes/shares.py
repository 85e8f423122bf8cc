"""Shares of an answer's terms that its atom and other passages hold, and the rules about them.

An answer is compared by its terms: content words, numbers and acronyms. A term weighs log(1 + n/m)
if m of the document's n sentences hold it (inverse document frequency, Sparck Jones 1972). The
share of a passage is the weight of the answer's terms that the passage holds, over the weight of
all its terms. A paraphrase keeps names, numbers and most words, so its atom has the largest share.
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

from compiler.probes.units import SIDE, UNITS
from compiler.probes.units.segmenter import Limits
from compiler.words import WORD, terms_of

OF_SIDE = Limits(least=0.3, inside=0.8, one_part=0.9)
"""Thresholds of an entire side; those of other units are in `UNITS`."""
CLEAR = 0.3
"""With a smaller share, the rest of the text must hold more of an answer's terms."""
MARGIN = 0.05
"""Largest lead of another passage's share over the atom's."""
ELSEWHERE = (0.15, 0.6)
"""An atom's share below the first and another passage's above the second: an error."""
# Answers of fewer terms give no certain error.
_FEWEST = 4


class Shares(NamedTuple):
    """Shares of an answer's terms, their number, and how many of them the atom holds.

    `atom`: of the atom; `rival`: the largest of another passage, which begins as `rival_text`;
    `text`: of the whole text; `part`: the largest of one part of the atom.
    """

    terms: int
    held: int
    atom: float
    rival: float
    rival_text: str
    text: float
    part: float


def names(question: str) -> frozenset[str]:
    """Return the terms of the names and numbers in a question: capitals inside a sentence."""
    found: set[str] = set()
    for before, chunk in pairwise(["?", *question.split()]):
        inside = before[-1] not in ".?!:…"
        for word in WORD.findall(chunk):
            if word[0].isnumeric() or (inside and word[0].isupper() and len(word) > 1):
                found.update(terms_of(word))
    return frozenset(found)


def _limits(unit: str) -> Limits:
    return OF_SIDE if unit == SIDE else UNITS[unit].limits


def about(found: Shares, unit: str) -> str:
    """Return the violation of an answer that is not about its atom, empty without one."""
    limits = _limits(unit)
    few = found.held < min(2, found.terms - 1)
    if found.atom < limits.least or few or found.text == found.atom < CLEAR:
        return f"the atom holds {found.atom:.2f} of the answer's content"
    if found.rival - found.atom > MARGIN:
        rival = f"{found.rival:.2f}: {found.rival_text!r}"
        return f"the atom holds {found.atom:.2f}, another passage {rival}"
    if found.atom < limits.inside * found.text:
        return f"the atom holds {found.atom:.2f}, the whole text {found.text:.2f}"
    return ""


def elsewhere(found: Shares) -> bool:
    """Return whether an answer is certainly about another passage."""
    least, most = ELSEWHERE
    return found.terms >= _FEWEST and found.atom < least and found.rival > most


def of_one_part(found: Shares, unit: str) -> bool:
    """Return whether one part of an atom holds all that an answer takes from it."""
    limit = _limits(unit).one_part
    return limit is not None and found.part > limit * found.atom > 0
