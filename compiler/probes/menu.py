"""Suggested ids of a sibling: one place per split group, and units that fit it, nearest first.

A small model copies a list in place of one id of it. A prompt variant for such a model shows these
suggestions; any other offered id stays legal.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property

from msgspec import Struct

from compiler.probes.offer import Offer
from compiler.probes.units import SIDE
from compiler.records import Boundary, Group, ShownSibling, Slot
from compiler.spec.model import WrittenScope


class Option(Struct, frozen=True):
    """A unit that a slot may take. `id`: as in the prompt; `text`: of the unit."""

    id: str
    text: str


class Suggested(Struct, frozen=True):
    """The options of one slot, the one nearest to its distance first."""

    slot: int
    options: tuple[Option, ...]


class Menu:
    """The suggestions of one sibling; computed when a template reads them."""

    def __init__(
        self, sibling: ShownSibling, offer: Offer, scopes: Mapping[str, WrittenScope]
    ) -> None:
        self._sibling = sibling
        self._offer = offer
        self._scopes = scopes
        self._units = {unit.id: unit for unit in sibling.units}

    @cached_property
    def splits(self) -> dict[Group, str]:
        """The suggested place of each split group of a written slot."""
        return {group: place.id for group, place in self._places.items()}

    @cached_property
    def slots(self) -> tuple[Suggested, ...]:
        """The slots that this sibling can fill at the suggested places, each with its options.

        The first option of a slot is that of no other slot.
        """
        used: set[str] = set()
        found = []
        for slot in self._offer.slots:
            units = self._options(slot)
            free = [unit for unit in units if unit not in used]
            if free:
                used |= {free[0]} & self._units.keys()
                options = tuple(Option(name, self._text(name)) for name in free)
                found.append(Suggested(slot.index, options))
        return tuple(found)

    @property
    def filled(self) -> int:
        """The number of slots that this sibling can fill at the suggested places."""
        return len(self.slots)

    @cached_property
    def _places(self) -> dict[Group, Boundary]:
        """The place of each group at which most slots have a unit, nearest to the middle."""
        letter = self._sibling.letter
        boundaries = {place.id: place for place in self._sibling.boundaries}
        found: dict[Group, Boundary] = {}
        for group in dict.fromkeys(self._scopes[slot.scope].split for slot in self._offer.slots):
            places = [boundaries[name] for name in self._offer.places[group][letter]]
            slots = [s for s in self._offer.slots if self._scopes[s.scope].split == group]
            if places:
                middle = (places[0].offset + places[-1].offset) / 2
                found[group] = max(
                    places,
                    key=lambda place: (
                        sum(bool(self._ids(slot, place)) for slot in slots),
                        -abs(place.offset - middle),
                    ),
                )
        return found

    def _options(self, slot: Slot) -> list[str]:
        """Return the ids of a slot's units at the suggested place, nearest first."""
        place = self._places.get(self._scopes[slot.scope].split)
        names: list[str] = [] if place is None else self._ids(slot, place)
        if slot.target == "prefix":
            names.reverse()
        far = {name: abs(number - (slot.hint or 1)) for number, name in enumerate(names, start=1)}
        return sorted(names, key=lambda name: far[name])

    def _ids(self, slot: Slot, place: Boundary) -> list[str]:
        """Return the ids of a slot's units that lie on its side of a place, in their order."""
        names = self._offer.units[slot.index][self._sibling.letter]
        if self._scopes[slot.scope].unit == SIDE:
            return [*names]
        if slot.target == "prefix":
            return [name for name in names if self._units[name].end <= place.offset]
        return [name for name in names if self._units[name].start >= place.offset]

    def _text(self, name: str) -> str:
        unit = self._units.get(name)
        return "" if unit is None else self._sibling.text[unit.start : unit.end]
