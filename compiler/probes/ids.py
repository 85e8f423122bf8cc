"""Ids of a generator prompt: the letter of a sibling, a kind, and a number, as in `A.sent12`.

They are unique over a prompt and tell what they name. Letter, kind and number are few whole tokens
in the common vocabularies, so that models copy them reliably.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from compiler.probes.units import SIDE, UNITS

LETTERS = "ABCDEFGHIJKLMNO"
"""Letters of shown siblings, in their order; a prompt's example uses another one."""

KINDS = {**{unit.tag: name for name, unit in UNITS.items()}, "side": SIDE, "split": "split"}
_NAMES = {meaning: name for name, meaning in KINDS.items()}
_ID = re.compile(rf"([A-Z])\.({'|'.join(KINDS)})(\d{{0,6}})")
_RUN = 5


def make(letter: str, kind: str, number: int | None = None) -> str:
    """Return the id of a thing of a sibling. `kind`: a value of KINDS; a side has no number."""
    return f"{letter}.{_NAMES[kind]}{'' if number is None else number}"


def bare(text: str) -> str:
    """Remove the brackets of a tag and spaces around an id."""
    return text.strip().strip("<>/").strip()


def sibling_of(name: str) -> str | None:
    """Return the letter of an id's sibling; None for a text that is not an id."""
    found = _ID.fullmatch(name)
    return found[1] if found else None


def kind_of(name: str) -> str | None:
    """Return the kind of an id, a value of KINDS; None for a text that is not an id."""
    found = _ID.fullmatch(name)
    return KINDS[found[2]] if found else None


def described(name: str) -> str:
    """Return a phrase that says what a given text names."""
    kind = kind_of(name)
    return f"{name!r} is not an id" if kind is None else f"{name} is a {kind} of {sibling_of(name)}"


def listed(names: Iterable[str], order: Collection[str]) -> str:
    """Format ids as a list in which five or more that are consecutive in `order` are a range.

    A range is shorter, but a weak model copies it in place of one id.
    """
    wanted = set(names)
    runs: list[list[str]] = [[]]
    for each in order:
        if each in wanted:
            runs[-1].append(each)
        elif runs[-1]:
            runs.append([])
    parts: list[str] = []
    for run in runs:
        parts += [f"{run[0]}..{run[-1]}"] if len(run) >= _RUN else run
    return " ".join(parts)
