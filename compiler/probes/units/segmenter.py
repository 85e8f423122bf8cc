"""A kind of unit: how a text is divided into such units, and which of them may be atoms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from compiler.probes.segment import Segments, Span

Prosaic = Callable[[int], bool]
"""A test if a sentence, by its index in `Segments.sentences`, is prose."""


class Limits(NamedTuple):
    """Thresholds on the shares of an answer to a question about a unit (see `passages`).

    `least`: smallest share of the atom; `inside`: smallest share of the atom, relative to that of
    its text; `one_part`: largest share of one part of the atom, relative to that of the atom, None
    without a limit.
    """

    least: float = 0.2
    inside: float = 0.55
    one_part: float | None = None


_USUAL = Limits()


@dataclass(frozen=True, slots=True)
class Segmenter:
    """A kind of unit.

    `tag`: lower-case letters that name it in ids; `spans`: the units of a text, in order and
    without overlaps; `eligible`: the test if one of them may be an atom, beside the sizes that a
    scope declares and that the text holds it once. `version`: to be raised when a text gets other
    units.
    """

    tag: str
    spans: Callable[[Segments], Sequence[Span]]
    eligible: Callable[[Segments, Span, Prosaic], bool]
    limits: Limits = _USUAL
    version: int = 1
