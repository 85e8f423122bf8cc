"""Deterministic draws, stable across Python versions, platforms and hash seeds.

A Stream is SHA-256 in counter mode over its name. Streams are named by their purpose (document,
slot, decision), so adding a slot or a document never changes the draws of another one.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Literal, TypeVar

from compiler.records import Side, Slot
from compiler.spec.model import Distance, TemplateScope, WrittenScope

T = TypeVar("T")

_GOLDEN = (math.sqrt(5) - 1) / 2
SEED_SPAN = 1_000_000_000
_SPAN = 1 << 53
_sha256 = hashlib.sha256


class Stream:
    """An infinite sequence of draws, determined by its name."""

    def __init__(self, *name: str | int) -> None:
        self._name = "/".join(str(part) for part in name).encode("utf-8") + b"#"
        self._count = 0

    def uniform(self) -> float:
        """Draw a number in [0, 1) with 53 random bits."""
        data = _sha256(self._name + b"%d" % self._count).digest()
        self._count += 1
        return (int.from_bytes(data[:8], "big") >> 11) / _SPAN

    def below(self, n: int) -> int:
        """Draw an integer in [0, n)."""
        return int(self.uniform() * n)

    def pick(self, items: Sequence[T]) -> T:
        """Draw one of the items with equal probability."""
        # `below` inlined: benchmarks draw millions of items.
        data = _sha256(self._name + b"%d" % self._count).digest()
        self._count += 1
        return items[int((int.from_bytes(data[:8], "big") >> 11) / _SPAN * len(items))]

    def order(self, n: int) -> Iterator[int]:
        """Yield the integers in [0, n) in random order, each drawn when it is needed."""
        # A Fisher-Yates shuffle that stores only the moved elements.
        moved: dict[int, int] = {}
        for left in range(n, 0, -1):
            at = self.below(left)
            yield moved.get(at, at)
            moved[at] = moved.get(left - 1, left - 1)


def rank(*name: str | int) -> bytes:
    """Return a pseudorandom rank of a name, independent of other names; sorting by it shuffles."""
    return hashlib.sha256("/".join(str(part) for part in name).encode("utf-8")).digest()


def chosen(share: float, *name: str | int) -> bool:
    """Return whether a name is in a sample of this share, independent of other names."""
    return Stream("chosen", *name).uniform() < share


def row_seed(seed: int, round_index: int, doc_id: str) -> int:
    """Return the seed of a doc-record, a function of global seed, round and document only."""
    data = hashlib.sha256(f"{seed}/row/{round_index}/{doc_id}".encode()).digest()
    return seed + int.from_bytes(data[:8], "big") % SEED_SPAN


def shuffled(doc_ids: Sequence[str], seed: int) -> list[str]:
    """Sort documents into the order of drawing, independent of their given order."""
    return sorted(doc_ids, key=lambda doc_id: rank(seed, "draw", doc_id))


def draw(doc_ids: Sequence[str], seed: int, rounds: Sequence[int]) -> list[list[str]]:
    """Draw the documents of each round, disjoint and independent of the order of `doc_ids`.

    Raises:
        ValueError: the rounds need more documents than there are.
    """
    wanted = sum(rounds)
    if wanted > len(doc_ids):
        raise ValueError(f"rounds need {wanted} documents, but the source has {len(doc_ids)}")
    order = shuffled(doc_ids, seed)
    drawn: list[list[str]] = []
    at = 0
    for size in rounds:
        drawn.append(order[at : at + size])
        at += size
    return drawn


def shards(documents: int, size: int) -> list[range]:
    """Cut a round's documents into as few shards of at most `size` as possible.

    Sizes differ by at most one document, so that no shard has too few documents to provide
    alternatives for one another.
    """
    count = -(-documents // size)
    return [range(documents * n // count, documents * (n + 1) // count) for n in range(count)]


def plan_slots(
    scopes: Sequence[tuple[str, TemplateScope | WrittenScope]], seed: int, doc_id: str
) -> tuple[Slot, ...]:
    """Plan the slots of one doc-record, with balanced targets and stratified distances.

    Targets alternate from a random side, so they differ by at most one per scope. Distances follow
    a golden-ratio sequence from a random start: each is log-uniform over 1..max by itself, and the
    slots of a scope together cover near, mid and far. Neither depends on the number of slots.
    """
    slots: list[Slot] = []
    for name, scope in scopes:
        stream = Stream(seed, doc_id, "slots", name)
        flip = stream.below(2)
        start = stream.uniform()
        for number in range(scope.slots):
            target: Side = "suffix" if (number + flip) % 2 else "prefix"
            hint = _distance(scope.distance, (start + number * _GOLDEN) % 1.0)
            slots.append(Slot(len(slots), name, target, hint))
    return tuple(slots)


def _distance(distance: Distance | None, u: float) -> int | None:
    if distance is None:
        return None
    return min(distance.max, int(math.exp(u * math.log(distance.max + 1))))


def nearest(feasible: Mapping[int, T], wanted: int) -> tuple[int, T] | None:
    """Return the entry whose key is nearest to `wanted`, the smaller one of two equally near."""
    if not feasible:
        return None
    key = min(feasible, key=lambda k: (abs(k - wanted), k))
    return key, feasible[key]


def view(text: str, target: Side, max_chars: int, keep: Literal["nearest", "start", "end"]) -> str:
    """Cut a complement to at most `max_chars`, keeping the declared end.

    For a suffix target the complement is the prefix, whose end is nearest the split; for a prefix
    target it is the suffix, whose start is.
    """
    if len(text) <= max_chars:
        return text
    from_end = keep == "end" or (keep == "nearest" and target == "suffix")
    return text[-max_chars:] if from_end else text[:max_chars]
