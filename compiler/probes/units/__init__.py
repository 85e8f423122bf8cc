"""Units of written scopes by name, the innermost first. A new one is one file and one line below.

The unit `side` is no segmenter: its atom is the entire target side of a split.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from compiler.probes.segment import identity as segmented
from compiler.probes.units import prose
from compiler.probes.units.segmenter import Segmenter

UNITS: Mapping[str, Segmenter] = {
    "sentence": prose.SENTENCE,
    "paragraph": prose.PARAGRAPH,
}
SIDE = "side"


def identity(names: Iterable[str]) -> str:
    """Return the identity of the segmentation into some units, for the keys of steps."""
    used = {name: UNITS[name].version for name in sorted({*names} & UNITS.keys())}
    # Versions from 2 on, so that keys from before units were registered are as they were.
    return "/".join([segmented(), *(f"{name}-{n}" for name, n in used.items() if n > 1)])
