"""Suggested ids of a sibling: all of them legal together, one per slot, nearest first."""

from __future__ import annotations

import json

from compiler.probes.menu import Menu
from tests.probes.test_mistakes import OFFER, RECORD, SLOTS, find, good, made, of
from tests.probes.test_reply import groups, scopes

SIBLING = RECORD.shown[0]
MENU = Menu(SIBLING, OFFER, scopes())


def test_the_suggestions_are_legal_and_on_the_side_of_their_slot() -> None:
    places = {place.id: place.offset for place in SIBLING.boundaries}
    units = {unit.id: unit for unit in SIBLING.units}
    assert MENU.splits.keys() == {groups()[slot.scope] for slot in OFFER.slots}
    assert all(name in OFFER.places[group]["A"] for group, name in MENU.splits.items())
    assert len(MENU.slots) == MENU.filled > 4
    for each in MENU.slots:
        slot = SLOTS[each.slot]
        offset = places[MENU.splits[groups()[slot.scope]]]
        for option in each.options:
            assert option.id in OFFER.units[slot.index]["A"]
            if option.id in units:
                unit = units[option.id]
                assert option.text == SIBLING.text[unit.start : unit.end]
                assert unit.end <= offset if slot.target == "prefix" else unit.start >= offset


def test_no_two_slots_have_the_same_first_option() -> None:
    first = [each.options[0].id for each in MENU.slots if each.options[0].id != "A.side"]

    assert len(first) == len(set(first)) > 3


def test_the_first_option_of_the_first_slot_is_at_its_distance() -> None:
    index = min(of("sentence"))
    slot = SLOTS[index]
    (found,) = (each for each in MENU.slots if each.slot == index)
    offset = next(b.offset for b in SIBLING.boundaries if b.id == MENU.splits["sentence"])
    units = [
        unit.id
        for unit in SIBLING.units
        if unit.kind == "sentence"
        and (unit.end <= offset if slot.target == "prefix" else unit.start >= offset)
    ]
    if slot.target == "prefix":
        units.reverse()

    assert found.options[0].id == units[min(slot.hint or 1, len(units)) - 1]


def test_a_reply_of_the_suggestions_is_built_whole() -> None:
    reply = {**good(), "splits": MENU.splits}
    reply["probes"] = [
        {**find(good(), each.slot), "unit": each.options[0].id} for each in MENU.slots
    ]
    built, rejects = made(json.dumps(reply))

    assert built.keys() == {each.slot for each in MENU.slots}
    assert rejects.keys() == SLOTS.keys() - built.keys()
