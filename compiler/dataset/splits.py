"""The split of a document, such as train or test: a function of seed and source page alone.

Documents of one source page are in one split, and a document that is added moves no other.
"""

from __future__ import annotations

from collections.abc import Mapping

from compiler.keys import digest

WHOLE: Mapping[str, float] = {"train": 1.0}
_FIRST = ("train", "validation", "test")


def split_of(shares: Mapping[str, float], seed: int, doc_id: str, doc_source: str) -> str:
    """Return the split of a document. `shares`: of all documents by split, which add up to 1.

    The page of a source is its address without the fragment; a document without one stands alone.
    """
    page = doc_source.partition("#")[0].strip()
    key = ["page", page] if page else ["document", doc_id]
    place = int(digest("split", [seed, *key])[:16], 16) / 2**64
    names = ordered(shares)
    for name in names:
        place -= shares[name]
        if place < 0:
            return name
    return names[-1]


def ordered(names: Mapping[str, object]) -> list[str]:
    """Sort the names of splits: train, validation, test, then the others by name."""
    first = [name for name in _FIRST if name in names]
    return [*first, *sorted(names.keys() - set(first))]
