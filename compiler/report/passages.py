"""A document's text cut where splits and atoms begin and end, so that each stretch can be marked.

A document is shown once; what a stretch belongs to is a list of names, and which of them stand out
is the page's choice. Overlapping atoms are no problem: a stretch may belong to many.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True)
class Atom:
    """The span of one probe, in code points of the document."""

    name: str
    start: int
    end: int


@dataclass(frozen=True)
class Stretch:
    """`text`: never empty. `names`: of its atoms and of what it lies before.

    `marks`: names of the splits at its beginning.
    """

    text: str
    names: tuple[str, ...]
    marks: tuple[str, ...]


def stretches(
    text: str, splits: Mapping[str, int], atoms: Sequence[Atom], gen_start: int | None
) -> tuple[Stretch, ...]:
    """`text` in pieces. A piece before the split `x` has the name `before-x`.

    `gen_start`: where generated text begins; pieces before it are named `source`, and the piece
    there has the mark `generated`. Places outside of the text mark nothing.
    """
    size = len(text)
    inside = {name: place for name, place in splits.items() if 0 < place < size}
    cuts = {0, size, *inside.values()}
    cuts.update(place for atom in atoms for place in (atom.start, atom.end) if 0 < place < size)
    known = gen_start is not None and 0 < gen_start < size
    if gen_start is not None and known:
        cuts.add(gen_start)
    ordered = sorted(cuts)
    found = []
    for start, end in pairwise(ordered):
        names = [atom.name for atom in atoms if atom.start <= start and end <= atom.end]
        names += [f"before-{name}" for name, place in inside.items() if end <= place]
        if gen_start is not None and known and end <= gen_start:
            names.append("source")
        marks = [name for name, place in inside.items() if place == start]
        if known and start == gen_start:
            marks.insert(0, "generated")
        found.append(Stretch(text[start:end], tuple(names), tuple(marks)))
    return tuple(found)


def visible(text: str) -> str:
    """Text with control characters and those that override its direction as their code points.

    `[U+0007]`, `[U+202E]`: neither may rearrange or swallow the page. Line breaks and tabs stay,
    and so do joiners, which emoji and many scripts need.
    """
    return "".join(_shown(each) for each in text)


def _shown(character: str) -> str:
    if character in "\n\t\r" or character.isprintable():
        return character
    code = ord(character)
    kind = unicodedata.category(character)
    direction = 0x202A <= code <= 0x202E or 0x2066 <= code <= 0x2069
    if direction or kind in ("Cc", "Cs", "Co", "Cn"):
        return f"[U+{code:04X}]"
    return character
