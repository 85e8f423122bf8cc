"""The slots, units and places that a request offers."""

from __future__ import annotations

import pytest
from msgspec.structs import replace
from msgspec.structs import replace as copied

from compiler.llm.messages import Outcome
from compiler.probes.annotate import marked
from compiler.probes.ids import listed
from compiler.probes.offer import UNSENT, offer
from compiler.probes.segment import word_count
from compiler.records import DocRecord, ReplyRow
from compiler.spec.model import AtomRules, WrittenScope
from compiler.stages import finalize
from tests.probes.test_mistakes import BOUND, OFFER, RECORD, SLOTS, of
from tests.probes.test_reply import groups, scopes


def without(record: DocRecord, *kinds: str) -> DocRecord:
    """The record with siblings that have no units of some kinds."""
    shown = (
        replace(each, units=tuple(unit for unit in each.units if unit.kind not in kinds))
        for each in record.shown
    )
    return replace(record, shown=tuple(shown))


def sized(name: str, **rules: int) -> dict[str, WrittenScope]:
    """The scopes, one with other rules of its atoms."""
    scope = scopes()[name]
    return {**scopes(), name: scope.model_copy(update={"atom": AtomRules(**rules)})}


def test_a_slot_that_no_sibling_can_fill_is_not_sent() -> None:
    found = offer(without(RECORD, "paragraph"), scopes(), groups())

    assert {slot.index for slot in found.unfilled} == {*of("paragraph")}
    assert {slot.index for slot in found.slots} == SLOTS.keys() - {*of("paragraph")}
    assert found.places.keys() == {"word_lens", "sentence", "whole"}


def test_a_side_is_offered_where_it_has_the_size_of_its_scope() -> None:
    (whole,) = of("whole")

    assert OFFER.units[whole] == {each: (f"{each}.side",) for each in "ABC"}
    for rules in ({"min_chars": 5000}, {"min_sentences": 50}, {"min_words": 900}):
        found = offer(RECORD, sized("whole", **rules), groups())
        assert [slot.index for slot in found.unfilled] == [whole]
        assert "whole" not in found.places


def test_slots_of_one_scope_and_side_share_its_units() -> None:
    """Send as many slots as there are units for them."""
    one = scopes()["sentence"].atom.model_copy(update={"min_chars": 92, "max_chars": 93})
    found = offer(
        RECORD,
        {**scopes(), "sentence": scopes()["sentence"].model_copy(update={"atom": one})},
        groups(),
    )
    sent = [slot for slot in found.slots if slot.scope == "sentence"]

    for side in ("prefix", "suffix"):
        slots = [slot for slot in sent if slot.target == side]
        most = [max(map(len, found.units[slot.index].values())) for slot in slots]
        assert all(count >= len(slots) for count in most)
    assert len(sent) < len(of("sentence"))


def test_a_slot_takes_only_units_of_the_size_of_its_own_scope() -> None:
    """Two scopes with sentences: one that is sent may be too short for the other."""
    (paragraph, *_) = of("paragraph")
    sentence = scopes()["sentence"]
    longer = sentence.atom.model_copy(update={"min_words": 17})
    both = {**scopes(), "paragraph": sentence.model_copy(update={"atom": longer})}
    found = offer(RECORD, both, groups())
    text, units = RECORD.shown[0].text, {unit.id: unit for unit in RECORD.shown[0].units}
    some, all_of = found.units[paragraph]["A"], OFFER.units[of("sentence")[0]]["A"]

    assert some
    assert {*some} < {*units}
    assert all(word_count(text, units[each].start, units[each].end) >= 17 for each in some)
    assert any(word_count(text, units[each].start, units[each].end) < 17 for each in all_of)


def test_a_document_without_a_slot_to_send_is_no_request() -> None:
    bare = without(RECORD, "sentence", "paragraph")
    rows = finalize._Made()
    none = {name: scope for name, scope in scopes().items() if name != "whole"}
    bound = copied(BOUND, scopes=none)
    record = replace(bare, slots=tuple(s for s in bare.slots if s.scope in none))
    finalize._document(bound, record, ReplyRow(UNSENT, "", "", 0), rows)

    assert not offer(record, none, groups()).slots
    assert not offer(record, none, groups()).places
    assert [each.reason for each in rows.rejects] == ["no_unit"] * len(record.slots)
    assert [each.sibling_rationale for each in rows.choices] == [
        "drawn by the row seed, because the generator chose none"
    ]
    assert UNSENT not in [outcome.value for outcome in Outcome]


def test_only_offered_units_and_places_are_marked() -> None:
    text = marked(RECORD.shown[0], RECORD.gen_start, {"A.sent2", "A.split3"})

    assert text.count("<") == 4
    for tag in ("<A.sent2>", "</A.sent2>", "<A.split3/>", "<generated/>"):
        assert tag in text


@pytest.mark.parametrize(
    ("wanted", "text"),
    [
        ([1, 2, 3, 4], "A.par1 A.par2 A.par3 A.par4"),
        ([1, 2, 3, 4, 5], "A.par1..A.par5"),
        ([1, 3, 4, 5, 6, 7, 9], "A.par1 A.par3..A.par7 A.par9"),
        ([], ""),
    ],
)
def test_ids_are_listed_with_ranges(wanted: list[int], text: str) -> None:
    order = [f"A.par{number}" for number in range(1, 10)]

    assert listed([f"A.par{number}" for number in wanted], order) == text
