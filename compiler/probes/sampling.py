"""Deterministic draws, stable across Python versions, platforms and hash seeds.

A Stream is SHA-256 in counter mode over its name. Streams are named by what they decide (document,
slot, purpose), so adding a slot or a document never shifts another one's draws.
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
    """An endless sequence of draws that its name determines."""

    def __init__(self, *name: str | int) -> None:
        self._name = "/".join(str(part) for part in name).encode("utf-8") + b"#"
        self._count = 0

    def uniform(self) -> float:
        """A number in [0, 1) with 53 random bits."""
        data = _sha256(self._name + b"%d" % self._count).digest()
        self._count += 1
        return (int.from_bytes(data[:8], "big") >> 11) / _SPAN

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return int(self.uniform() * n)

    def pick(self, items: Sequence[T]) -> T:
        """One of the items, all equally likely."""
        # `below` written out: alternatives are searched by hundreds of picks.
        data = _sha256(self._name + b"%d" % self._count).digest()
        self._count += 1
        return items[int((int.from_bytes(data[:8], "big") >> 11) / _SPAN * len(items))]

    def order(self, n: int) -> Iterator[int]:
        """The integers in [0, n) in random order, drawn one by one as they are asked for."""
        # Fisher and Yates, of which only what was moved is kept.
        moved: dict[int, int] = {}
        for left in range(n, 0, -1):
            at = self.below(left)
            yield moved.get(at, at)
            moved[at] = moved.get(left - 1, left - 1)


def rank(*name: str | int) -> bytes:
    """A fixed random-looking rank: sorting by it shuffles, whatever else there is."""
    return hashlib.sha256("/".join(str(part) for part in name).encode("utf-8")).digest()


def chosen(share: float, *name: str | int) -> bool:
    """Whether what is named so is in a sample of this share, whatever else there is."""
    return Stream("chosen", *name).uniform() < share


def row_seed(seed: int, round_index: int, doc_id: str) -> int:
    """The seed of a doc-record: a function of the global seed, the round and the document only."""
    data = hashlib.sha256(f"{seed}/row/{round_index}/{doc_id}".encode()).digest()
    return seed + int.from_bytes(data[:8], "big") % SEED_SPAN


def shuffled(doc_ids: Sequence[str], seed: int) -> list[str]:
    """Documents in the order in which they are drawn, whatever order they come in."""
    return sorted(doc_ids, key=lambda doc_id: rank(seed, "draw", doc_id))


def draw(doc_ids: Sequence[str], seed: int, rounds: Sequence[int]) -> list[list[str]]:
    """Which documents each round takes: disjoint, and independent of the order of `doc_ids`.

    Raises:
        ValueError: the rounds ask for more documents than there are.
    """
    wanted = sum(rounds)
    if wanted > len(doc_ids):
        raise ValueError(f"rounds ask for {wanted} documents, the source has {len(doc_ids)}")
    order = shuffled(doc_ids, seed)
    drawn: list[list[str]] = []
    at = 0
    for size in rounds:
        drawn.append(order[at : at + size])
        at += size
    return drawn


def shards(documents: int, size: int) -> list[range]:
    """The places of a round's documents by shard: as few shards of at most `size` as will do.

    All are equally large but for one document, so that none is left with too few documents to give
    one another alternatives.
    """
    count = -(-documents // size)
    return [range(documents * n // count, documents * (n + 1) // count) for n in range(count)]


def plan_slots(
    scopes: Sequence[tuple[str, TemplateScope | WrittenScope]], seed: int, doc_id: str
) -> tuple[Slot, ...]:
    """The slots of one doc-record: balanced targets, distances log-uniform and spread over slots.

    Targets alternate from a random side, so they differ by at most one per scope. Distances follow
    a golden-ratio sequence from a random start: each is log-uniform over 1..max by itself, and the
    slots of a scope cover near, mid and far together. Neither depends on how many slots there are.
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
    """The entry whose key is nearest to `wanted`, the smaller one of two equally near."""
    if not feasible:
        return None
    key = min(feasible, key=lambda k: (abs(k - wanted), k))
    return key, feasible[key]


def view(text: str, target: Side, max_chars: int, keep: Literal["nearest", "start", "end"]) -> str:
    """What the answerer sees of a complement: at most `max_chars`, cut at the declared end.

    For a suffix target the complement is the prefix, whose end is nearest the split; for a prefix
    target it is the suffix, whose start is.
    """
    if len(text) <= max_chars:
        return text
    from_end = keep == "end" or (keep == "nearest" and target == "suffix")
    return text[-max_chars:] if from_end else text[:max_chars]
