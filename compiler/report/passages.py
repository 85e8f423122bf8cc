"""A document's text, cut at splits and at the ends of atoms, so that each stretch can be marked.

A document is shown once. Every stretch lists the names of its atoms and sides, and the page chooses
which of them to highlight. Atoms may overlap: a stretch may have many names.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import pairwise

from msgspec import Struct


class Atom(Struct, frozen=True):
    """The span of one probe, in code points of the document."""

    name: str
    start: int
    end: int


class Stretch(Struct, frozen=True):
    """A piece of text between two cuts.

    `text`: not empty; `names`: of the atoms that contain it, `before-x` for every split x after it,
    and `source`; `marks`: of the splits at its beginning.
    """

    text: str
    names: tuple[str, ...]
    marks: tuple[str, ...]


class Piece(Struct, frozen=True):
    """A piece of an excerpt. `gap`: text before it is left out; `split`: the split is there.

    `atom`: it is inside the atom; `before`: it is before the split.
    """

    text: str
    gap: bool = False
    split: bool = False
    atom: bool = False
    before: bool = False


def stretches(
    text: str, splits: Mapping[str, int], atoms: Sequence[Atom], gen_start: int | None
) -> tuple[Stretch, ...]:
    """Cut `text` into stretches; one before the split `x` has the name `before-x`.

    `splits`: offsets by name; `gen_start`: offset of the generated text, None where unknown.
    Stretches before it have the name `source`, and the one at it has the mark `generated`. Offsets
    outside of the text mark nothing.
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


def excerpt(text: Sequence[Stretch], atom: str, split: str, around: int) -> tuple[Piece, ...]:
    """Cut a text to what is around one split and atom; to its beginning if neither is marked.

    `atom`, `split`: their names in the stretches; `around`: characters on both sides of a split
    and of the ends of an atom. A last piece without text stands for the rest that is left out.
    """
    kept = _kept(text, atom, split, around)
    found: list[Piece] = []
    place = last = 0
    for stretch in text:
        begin, place = place, place + len(stretch.text)
        inside, before = atom in stretch.names, f"before-{split}" in stretch.names
        at = bool(split) and split in stretch.marks
        for low, high in kept:
            start, end = max(begin, low), min(place, high)
            if start < end:
                shown = stretch.text[start - begin : end - begin]
                found.append(Piece(shown, start > last, at, inside, before))
                last, at = end, False
        if at:
            found.append(Piece("", split=True, atom=inside))
    if last < place:
        found.append(Piece("", gap=True))
    return tuple(found)


def _kept(text: Sequence[Stretch], atom: str, split: str, around: int) -> list[tuple[int, int]]:
    """Return the spans of the text to show, in order and apart; of a long atom only its ends."""
    places: list[int] = []
    begin = 0
    for stretch in text:
        end = begin + len(stretch.text)
        if split and split in stretch.marks:
            places.append(begin)
        if atom in stretch.names:
            places += [begin, end]
        begin = end
    whole = "".join(stretch.text for stretch in text)
    found: list[tuple[int, int]] = []
    for place in sorted(places) or [0]:
        low, high = _words(whole, max(0, place - around), min(len(whole), place + around))
        if found and low <= found[-1][1]:
            low = found.pop()[0]
        found.append((low, high))
    return found


def _words(text: str, low: int, high: int) -> tuple[int, int]:
    """Extend a span to whole words, by at most the length of a long one."""
    for _ in range(30):
        low -= low > 0 and not text[low - 1].isspace()
        high += high < len(text) and not text[high].isspace()
    return low, high


def visible(text: str) -> str:
    """Replace control characters and direction overrides by their code points.

    `[U+0007]`, `[U+202E]`: neither may reorder or hide other text of the page. Line breaks and tabs
    stay, and so do joiners, which emoji and many scripts need.
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
