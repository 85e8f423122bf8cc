"""The embedded model's choice of atoms by the calibration level, and its fallback."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest

from compiler.embedded import author, tags
from compiler.embedded.author import _Writer
from compiler.embedded.tags import SlotTag, Unit
from compiler.errors import ProviderError

OVERLAPS = {"A.sent2": 1.0, "A.sent3": 0.5, "A.sent4": 0.0}
PROMPT = """<sibling id="A">
<generated/><A.sent1>The miller keeps the old mill by the river, which turns the wheel.</A.sent1>
<A.split1/>
<A.sent2>The river turns the old wheel, which the miller keeps beside the mill.</A.sent2>
<A.sent3>The miller turns purple beside seven merchants.</A.sent3>
<A.sent4>Seven merchants carried purple cloth through distant villages.</A.sent4>
</sibling>
<choices sibling="A">
<split group="sentence">A.split1</split>
<unit slot="{slot}">A.sent2..A.sent4</unit>
</choices>
<scopes>
<scope name="sentence" split="sentence" words="60" alternative="atom">whole</scope>
</scopes>
{level}
<slots>
<slot n="{slot}" scope="sentence" side="after" distance="2"/>
</slots>
"""


def prompt(level: int, slot: int = 10) -> str:
    stated = f'<calibration level="{level}"/>' if level else ""
    return PROMPT.format(level=stated, slot=slot)


def chosen(level: int, slot: int) -> str:
    text = prompt(level, slot)
    plan = author._plan(
        tags.siblings(text)[0], tags.slots(text), tags.scopes(text), tags.level(text)
    )
    return plan.slots[slot].units[0].id


def test_a_stricter_level_takes_atoms_that_share_fewer_words_with_the_other_side() -> None:
    by_slot = [[OVERLAPS[chosen(level, slot)] for level in range(-3, 4)] for slot in range(10, 20)]
    means = [sum(column) / len(column) for column in zip(*by_slot, strict=True)]

    for overlaps in by_slot:
        assert all(mild >= strict for mild, strict in pairwise(overlaps))
    assert means[0] > 0.8 > 0.2 > means[-1]
    # Slots of one level differ.
    assert len({overlaps[3] for overlaps in by_slot}) > 1


def test_a_level_that_is_no_number_is_an_error() -> None:
    assert tags.level(prompt(0)) == 0
    assert tags.level(prompt(-2)) == -2
    with pytest.raises(ProviderError, match="no whole number in <calibration level='mild'>"):
        author.write(PROMPT.format(level='<calibration level="mild"/>', slot=10), 0)


def test_a_unit_without_a_sound_alternative_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    best = chosen(0, 10)

    def probe(writer: _Writer, slot: SlotTag, unit: Unit) -> dict[str, object] | None:
        return None if unit.id in refused else {"slot": slot.index, "unit": unit.id}

    monkeypatch.setattr(_Writer, "probe", probe)
    refused = {best}
    (written,) = json.loads(author.write(prompt(0), 0))["probes"]
    assert written["unit"] in OVERLAPS.keys() - refused

    refused = {*OVERLAPS}
    (declined,) = json.loads(author.write(prompt(0), 0))["probes"]
    assert "No sound alternative" in declined["decline"]


def test_an_atom_before_the_split_is_in_generated_text() -> None:
    line = "Seven merchants carried purple cloth through {} villages."
    text = f"""<sibling id="A">
<A.sent1>{line.format("distant")}</A.sent1>
<generated/><A.sent2>{line.format("foreign")}</A.sent2>
<A.split1/>
<A.sent3>The merchants came back from the villages in spring.</A.sent3>
</sibling>
<split group="sentence">A.split1</split>
<unit slot="1 2">A.sent1..A.sent2</unit>
<scope name="sentence" split="sentence" alternative="atom"/>
<slots>
<slot n="1" scope="sentence" side="before" distance="2"/>
<slot n="2" scope="sentence" side="before" distance="2"/>
</slots>"""
    slots = author._plan(tags.siblings(text)[0], tags.slots(text), tags.scopes(text), 0).slots

    # The human one, although it is as far as requested, only where no other is left.
    assert [slots[n].units[0].id for n in (1, 2)] == ["A.sent2", "A.sent1"]
