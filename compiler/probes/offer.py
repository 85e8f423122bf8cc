"""The part of a doc-record that its request offers: slots, their units, and split places.

A slot that no shown sibling can fill is not sent, and neither is a place that serves no slot. The
request is rendered from an offer, and the reply is checked against the same offer.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from msgspec import Struct

from compiler.probes import ids
from compiler.probes.segment import Span, segment, word_count
from compiler.probes.units import SIDE
from compiler.records import GROUPS, Boundary, DocRecord, Group, ShownSibling, Slot
from compiler.spec.model import AtomRules, WrittenScope

UNSENT = "unsent"
"""Outcome in place of a reply, of a doc-record without a slot to send."""


class Offer(Struct, frozen=True):
    """The offered slots, units and places of one doc-record.

    `slots`: the written slots that the request holds; `unfilled`: the other written ones;
    `units`: by slot index and sibling letter, the ids that may be the atom; `places`: by split
    group and sibling letter, the ids of its legal places. Groups without slots are absent.
    """

    slots: tuple[Slot, ...]
    unfilled: tuple[Slot, ...]
    units: Mapping[int, Mapping[str, tuple[str, ...]]]
    places: Mapping[Group, Mapping[str, tuple[str, ...]]]

    @property
    def offered(self) -> frozenset[str]:
        """The ids of all offered units and places."""
        groups = (*self.units.values(), *self.places.values())
        return frozenset(name for by in groups for names in by.values() for name in names)


def offer(
    record: DocRecord, scopes: Mapping[str, WrittenScope], groups: Mapping[str, Group]
) -> Offer:
    """Find what a request about a doc-record can offer.

    `scopes`: the written scopes; `groups`: the split group of every scope.
    """
    sent: list[Slot] = []
    unfilled: list[Slot] = []
    units: dict[int, dict[str, tuple[str, ...]]] = {}
    taken = Counter[tuple[str, str]]()
    sized = _Sized(record, scopes)
    for slot in record.slots:
        scope = scopes.get(slot.scope)
        if scope is None:
            continue
        found = {each.letter: sized.units(each, slot, scope) for each in record.shown}
        before = taken[slot.scope, slot.target] if scope.unit != SIDE else 0
        if max(map(len, found.values()), default=0) > before:
            taken[slot.scope, slot.target] += 1
            units[slot.index] = found
            sent.append(slot)
        else:
            unfilled.append(slot)
    templated = {groups[slot.scope] for slot in record.slots if slot.scope not in scopes}
    wanted = templated | {scopes[slot.scope].split for slot in sent}
    edges = {
        (slot.index, each.letter): _edge(each, units[slot.index][each.letter], slot)
        for slot in sent
        for each in record.shown
    }
    places = {
        group: {
            each.letter: tuple(
                place.id
                for place in each.boundaries
                if group in place.groups
                and (group in templated or _serves(each, place, group, sent, scopes, edges))
            )
            for each in record.shown
        }
        for group in GROUPS
        if sent and group in wanted
    }
    return Offer(tuple(sent), tuple(unfilled), units, places)


class _Sized:
    """The units of each shown sibling by the size that a scope requires.

    A unit is marked if it fits the rules of some scope; other rules are checked here.
    """

    def __init__(self, record: DocRecord, scopes: Mapping[str, WrittenScope]) -> None:
        self._gen_start = record.gen_start
        rules = {(scope.unit, scope.atom) for scope in scopes.values()}
        counts = Counter(unit for unit, _ in rules)
        self._several = {unit for unit, count in counts.items() if count > 1}
        self._fits: dict[tuple[str, AtomRules], frozenset[str]] = {}

    def units(self, sibling: ShownSibling, slot: Slot, scope: WrittenScope) -> tuple[str, ...]:
        """Return the ids that may be the atom of a slot at some legal place of a sibling."""
        places = [each for each in sibling.boundaries if scope.split in each.groups]
        if scope.unit == SIDE:
            fits = any(_side_fits(sibling, place, slot, scope) for place in places)
            return (ids.make(sibling.letter, SIDE),) if fits else ()
        if not places:
            return ()
        low, high = places[0].offset, places[-1].offset
        return tuple(
            unit.id
            for unit in sibling.units
            if unit.kind == scope.unit
            and (unit.end <= high if slot.target == "prefix" else unit.start >= low)
            and scope.atom.min_chars <= unit.end - unit.start <= scope.atom.max_chars
            and (scope.unit not in self._several or unit.id in self._fitting(sibling, scope.atom))
        )

    def _fitting(self, sibling: ShownSibling, rules: AtomRules) -> frozenset[str]:
        """Return the ids of the units with the words and sentences that rules require."""
        key = sibling.letter, rules
        if key not in self._fits:
            segments = segment(sibling.text, self._gen_start)
            self._fits[key] = frozenset(
                unit.id
                for unit in sibling.units
                if word_count(sibling.text, unit.start, unit.end) >= rules.min_words
                and len(segments.numbers_in(Span(unit.start, unit.end))) >= rules.min_sentences
            )
        return self._fits[key]


def _edge(sibling: ShownSibling, names: Sequence[str], slot: Slot) -> int | None:
    """Return the first (prefix) or last (suffix) offset of a split with a unit on its target side.

    None without units.
    """
    offered = frozenset(names)
    units = [unit for unit in sibling.units if unit.id in offered]
    if slot.target == "prefix":
        return min((unit.end for unit in units), default=None)
    return max((unit.start for unit in units), default=None)


def _serves(
    sibling: ShownSibling,
    place: Boundary,
    group: Group,
    slots: list[Slot],
    scopes: Mapping[str, WrittenScope],
    edges: Mapping[tuple[int, str], int | None],
) -> bool:
    """Return whether some slot of the group has an atom at this place."""
    for slot in slots:
        scope = scopes[slot.scope]
        if scope.split != group:
            continue
        edge = edges[slot.index, sibling.letter]
        if scope.unit == SIDE:
            if _side_fits(sibling, place, slot, scope):
                return True
        elif edge is not None and (
            edge <= place.offset if slot.target == "prefix" else edge >= place.offset
        ):
            return True
    return False


def _side_fits(sibling: ShownSibling, place: Boundary, slot: Slot, scope: WrittenScope) -> bool:
    """Return whether an entire side of a place has the size that its scope requires."""
    before = slot.target == "prefix"
    low, high = (0, place.offset) if before else (place.offset, len(sibling.text))
    rules = scope.atom
    return (
        rules.min_chars <= len(sibling.text[low:high].strip()) <= rules.max_chars
        and place.sentences[0 if before else 1] >= rules.min_sentences
        and word_count(sibling.text, low, high) >= rules.min_words
    )
