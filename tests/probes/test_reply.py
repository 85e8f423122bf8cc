"""Parsed replies of a generator: a bad slot is one reject and leaves the others intact."""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import pytest

from compiler.probes import annotate, reply, segment
from compiler.probes.offer import offer
from compiler.probes.reasons import REASONS
from compiler.probes.sampling import plan_slots
from compiler.probes.scopes import written
from compiler.records import DocRecord, Group, Probe, Reject, Sibling
from compiler.spec import load
from compiler.spec.declared import of_probes
from compiler.spec.model import WrittenScope
from tests.conftest import ROOT
from tests.probes.test_tokens import tokenizer

PREFIX = (
    "The old harbour had burned twice before the council rebuilt it in granite. "
    "Nobody in the town remembered the first fire, but the second had taken the mill."
)
TEXT = (
    "\n\nIn the spring the engineers measured the northern bridge again, twice a day. "
    "They found that the third pillar, which carried most of the weight, had moved by 4 inches. "
    "The council ordered every wagon to cross at walking pace until the summer.\n\n"
    "A stonemason named Harlow offered to replace the pillar for 900 crowns. "
    "His rival demanded twice that sum, because he distrusted the river bed. "
    "In the end the council hired both men, and each was told to watch the other.\n\n"
    "The work began in June, when the water was low and the nights were short. "
    "Harlow drove oak piles into the mud while his rival cut the new blocks inland. "
    "By the end of August the bridge carried wagons again, although at half its width.\n\n"
    "Years later the two men opened a yard together at the foot of the bridge. "
    "Their granite was shipped along the whole coast, and their quarrel became a local proverb."
)


@cache
def scopes() -> dict[str, WrittenScope]:
    declared = load.read(ROOT / "specs/demo.yaml", ["splits.margin_chars=100"]).spec
    assert declared is not None
    spec = of_probes(declared)
    return {n: s for n, s in spec.ordered_scopes() if isinstance(s, WrittenScope)}


def groups() -> dict[str, Group]:
    found: dict[str, Group] = {slot.scope: "word_lens" for slot in RECORD.slots}
    return found | {name: scope.split for name, scope in scopes().items()}


def record() -> DocRecord:
    declared = load.read(ROOT / "specs/demo.yaml", ["splits.margin_chars=100"]).spec
    assert declared is not None
    spec = of_probes(declared)
    full = PREFIX + TEXT
    shown = annotate.annotate(
        2,
        "A",
        segment.segment(full, len(PREFIX)),
        len(PREFIX),
        tokenizer().encode(full),
        spec.splits,
        list(scopes().values()),
        7,
    )
    slots = plan_slots(spec.ordered_scopes(), 7, "doc")
    return DocRecord(0, "doc", "src", 7, len(PREFIX), 3, (shown,), (Sibling(0, " Else."),), slots)


RECORD = record()
SHOWN = RECORD.shown[0]
OFFER = offer(RECORD, scopes(), groups())


def good() -> dict[str, Any]:
    """Return a reply with a probe for every written slot."""
    middle = next(b for b in SHOWN.boundaries if "whole" in b.groups)
    probes = []
    used = set()
    for slot in RECORD.slots:
        scope = scopes().get(slot.scope)
        if scope is None:
            continue
        unit = "A.side"
        if scope.unit != "side":
            side = [
                u
                for u in SHOWN.units
                if u.kind == scope.unit
                and u.id not in used
                and (
                    u.end <= middle.offset if slot.target == "prefix" else u.start >= middle.offset
                )
            ]
            if not side:
                continue
            unit = side[0].id
            used.add(unit)
        probes.append(
            {
                "slot": slot.index,
                "unit": unit,
                "question": f"What is told about matter number {slot.index}?",
                "answer": f"It is told in full ({slot.index}).",
                "alternative": (
                    "The lighthouse keeper sold the boats and moved to the capital. "
                    "Then he wrote a book about herring and never came back to the sea."
                ),
                "synergy_check": "the cause and its effect",
                "difficulty_check": "argued",
            }
        )
    return {
        "sibling": "A",
        "sibling_rationale": "rich",
        "splits": dict.fromkeys(("word_lens", "sentence", "paragraph", "whole"), middle.id),
        "split_rationale": "central",
        "probes": probes,
    }


def build(value: object) -> tuple[dict[int, Probe], dict[int, Reject]]:
    parsed = reply.interpret(value, RECORD, OFFER)
    assert isinstance(parsed, reply.Parsed), parsed
    made = written.build(RECORD, OFFER, parsed, scopes(), suffix_in_generated=True)
    assert all(r.reason in REASONS for r in made.rejects)
    written_slots = {s.index for s in RECORD.slots if s.scope in scopes()}
    probes = {p.slot: p for p in made.probes}
    rejects = {r.slot: r for r in made.rejects}
    assert probes.keys() | rejects.keys() == written_slots
    assert not probes.keys() & rejects.keys()
    return probes, rejects


def test_a_good_reply_fills_most_slots_and_every_atom_is_on_its_side() -> None:
    probes, rejects = build(good())

    assert len(probes) >= 5, rejects
    split = next(b for b in SHOWN.boundaries if "whole" in b.groups).offset
    for probe in probes.values():
        low, high = (0, split) if probe.target == "prefix" else (split, len(SHOWN.text))
        assert low <= probe.atom_start < probe.atom_end <= high
        assert SHOWN.text[probe.atom_start : probe.atom_end].strip()
        assert probe.typicality is None
        assert probe.signed_index is None or (probe.signed_index > 0) == (probe.target == "suffix")


def first(reply_: dict[str, Any]) -> dict[str, Any]:
    probes = reply_["probes"]
    assert isinstance(probes, list)
    found: dict[str, Any] = probes[0]
    return found


def missing(r: dict[str, Any]) -> None:
    assert isinstance(r["probes"], list)
    r["probes"].pop(0)


def twice(r: dict[str, Any]) -> None:
    assert isinstance(r["probes"], list)
    r["probes"].append(copy.deepcopy(first(r)))


def side_of(r: dict[str, Any], kind: str, wrong: bool) -> str:
    split = next(b for b in SHOWN.boundaries if "whole" in b.groups).offset
    slot = next(s for s in RECORD.slots if s.index == first(r)["slot"])
    prefix = (slot.target == "prefix") != wrong
    return next(
        u.id
        for u in SHOWN.units
        if u.kind == kind and (u.end <= split if prefix else u.start >= split)
    )


def quoted(r: dict[str, Any]) -> str:
    """Return a sentence of the complement of the first probe."""
    slot = next(s for s in RECORD.slots if s.index == first(r)["slot"])
    return PREFIX[:73] if slot.target == "suffix" else TEXT[-80:]


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (missing, "slot_missing"),
        (twice, "slot_invalid"),
        (lambda r: first(r).update(unit="A.sent99"), "unit_unknown"),
        (lambda r: first(r).update(unit=None), "unit_not_given"),
        (lambda r: first(r).update(unit=side_of(r, "paragraph", False)), "unit_wrong_kind"),
        (lambda r: first(r).update(unit=side_of(r, "sentence", True)), "unit_wrong_side"),
        (lambda r: first(r).pop("question"), "slot_invalid"),
        (lambda r: first(r).update(question="   "), "V11_text"),
        (lambda r: first(r).update(question="q" * 801), "V11_text"),
        (lambda r: first(r).update(alternative="bell\x07"), "V11_text"),
        (lambda r: first(r).update(alternative="the old harbour"), "V12_alternative"),
        (lambda r: first(r).update(answer=quoted(r)), "V13_leak"),
        (lambda r: first(r).update(answer=" "), "V11_text"),
        (lambda r: first(r).update(question="half a \ud83d"), "slot_invalid"),
        (lambda r: first(r).update(slot="9" * 5000), "slot_missing"),
    ],
)
def test_damage_to_one_slot_rejects_only_that_slot(
    damage: Callable[[dict[str, Any]], object], reason: str
) -> None:
    whole, none = build(good())
    damaged = good()
    slot = first(damaged)["slot"]
    damage(damaged)
    probes, rejects = build(damaged)

    assert rejects[int(str(slot))].reason == reason
    assert probes.keys() == whole.keys() - {slot}
    assert rejects.keys() == none.keys() | {slot}


def test_an_empty_answer_of_a_whole_side_is_a_reject() -> None:
    """Leave no length with which the alternative could be compared."""
    damaged = good()
    probes = damaged["probes"]
    assert isinstance(probes, list)
    whole = {slot.index for slot in RECORD.slots if slot.scope == "whole"}
    for probe in probes:
        if probe["slot"] in whole:
            probe["answer"] = " "
    _, rejects = build(damaged)

    assert {rejects[slot].reason for slot in whole if slot in rejects} <= {"V11_text"}
    assert any(slot in rejects for slot in whole)


def test_extra_slots_and_unknown_keys_are_ignored() -> None:
    value = good()
    assert isinstance(value["probes"], list)
    value["probes"] += [{"slot": 99, "question": "?"}, {"slot": "x"}, "text", None]
    value["mood"] = "fine"

    assert build(value) == build(good())


def test_numbers_as_text_and_uppercase_enums_are_read() -> None:
    value = good()
    value["sibling"] = " a "
    for probe in value["probes"]:
        probe["slot"] = str(probe["slot"])
        probe["typicality"] = "N/A"

    assert build(value) == build(good())


@pytest.mark.parametrize(
    ("splits", "reason"),
    [
        ({"sentence": None}, "split_not_given"),
        ({"sentence": "A.split99"}, "split_unknown_id"),
        ({"sentence": "WORD"}, "split_not_legal"),
    ],
)
def test_a_bad_split_rejects_the_slots_of_its_group(
    splits: dict[str, str | None], reason: str
) -> None:
    value = good()
    only_words = next(b.id for b in SHOWN.boundaries if b.groups == ("word_lens",))
    splits = {group: only_words if name == "WORD" else name for group, name in splits.items()}
    value["splits"] = {**value["splits"], **splits}
    probes, rejects = build(value)

    assert {r.reason for r in rejects.values() if r.scope == "sentence"} == {reason}
    assert {p.scope for p in probes.values()} == {"paragraph", "whole"}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sibling": "Z"}, "sibling 'Z' was not shown (legal: A)"),
        ({"sibling": None}, "sibling: "),
        ({"splits": None}, "splits: "),
        ({"probes": {}}, "probes: "),
    ],
)
def test_a_reply_without_its_header_is_invalid(change: dict[str, Any], message: str) -> None:
    found = reply.interpret({**good(), **change}, RECORD, OFFER)

    assert isinstance(found, str)
    assert message in found
    assert isinstance(reply.interpret([1], RECORD, OFFER), str)
