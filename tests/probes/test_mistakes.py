"""The documented mistakes of a generator: each loses exactly the slots it should, with its reason.

The cases are the rows of the table in docs/prompts.md.
"""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from compiler.llm.messages import Outcome
from compiler.probes import annotate, ids, segment
from compiler.probes.offer import offer
from compiler.probes.reasons import REASONS
from compiler.records import DocRecord, Probe, Reject, ReplyRow, ShownSibling, Sibling
from compiler.spec import load
from compiler.spec.model import Spec
from compiler.stages import finalize
from tests.conftest import ROOT
from tests.probes.test_reply import PREFIX, TEXT, groups, scopes
from tests.probes.test_reply import RECORD as SINGLE
from tests.probes.test_tokens import tokenizer

Reply = dict[str, Any]
TEMPLATE = (ROOT / "prompts/generator/_parts/example.j2").read_text(encoding="utf-8")
EXAMPLE = json.loads(TEMPLATE)


def sibling(index: int, letter: str, text: str) -> ShownSibling:
    spec = load.read(ROOT / "specs/demo.yaml", ["splits.margin_chars=100"]).spec
    assert isinstance(spec, Spec)
    written = list(scopes().values())
    segments = segment.segment(text, len(PREFIX))
    tokens = tokenizer().encode(text)
    return annotate.annotate(index, letter, segments, len(PREFIX), tokens, spec.splits, written, 7)


def record() -> DocRecord:
    texts = TEXT, TEXT.replace("Harlow", "Mason"), TEXT.replace("bridge", "tunnel")
    shown = [
        sibling(number, letter, PREFIX + text)
        for number, (letter, text) in enumerate(zip("ABC", texts, strict=True))
    ]
    return DocRecord(
        0, "d", "u", 7, len(PREFIX), 4, tuple(shown), (Sibling(3, " Else."),), SINGLE.slots
    )


RECORD = record()
OFFER = offer(RECORD, scopes(), groups())
SLOTS = {slot.index: slot for slot in OFFER.slots}
PLACE = next(b for b in RECORD.shown[0].boundaries if "whole" in b.groups and b.sentences[0] > 7)
BOUND = finalize._Bound(scopes(), groups(), suffix_in_generated=True)


def beside(index: int, *, wrong: bool = False) -> list[str]:
    """The ids of the units of a slot on its side of the split, or on the other one."""
    slot = SLOTS[index]
    kind = scopes()[slot.scope].unit
    before = (slot.target == "prefix") != wrong
    return [
        unit.id
        for unit in RECORD.shown[0].units
        if unit.kind == kind
        and (unit.end <= PLACE.offset if before else unit.start >= PLACE.offset)
    ]


def good() -> Reply:
    """A reply of which every slot is built without a flag."""
    used: set[str] = set()
    probes: list[Reply] = []
    for index, slot in SLOTS.items():
        units = [each for each in beside(index) if each not in used] or ["A.side"]
        used.add(units[0])
        probes.append(
            {
                "slot": index,
                "unit": units[0],
                "question": f"What is told about matter number {index}?",
                "answer": f"It is told in full ({index}).",
                "alternative": (
                    "The lighthouse keeper sold his boats."
                    if slot.scope == "whole"
                    else "The lighthouse keeper sold the boats and moved to the capital. "
                    "Then he wrote a book about herring and never came back to the sea."
                ),
                "synergy_check": "the cause and its effect",
                "difficulty_check": "argued",
                **({"typicality": "atypical"} if slot.target == "suffix" else {}),
            }
        )
    return {
        "sibling": "A",
        "sibling_rationale": "rich",
        "splits": dict.fromkeys(OFFER.places, PLACE.id),
        "split_rationale": "central",
        "probes": probes,
    }


def made(text: str) -> tuple[dict[int, Probe], dict[int, Reject]]:
    """The probes and rejects of the written slots of a raw reply."""
    rows = finalize._Made()
    finalize._document(BOUND, RECORD, ReplyRow(Outcome.OK.value, text, "m", 9), rows)
    rejects = {each.slot: each for each in rows.rejects if each.slot in SLOTS}
    return {each.slot: each for each in rows.probes}, rejects


def find(reply: Reply, index: int) -> Reply:
    found: Reply = next(each for each in reply["probes"] if each["slot"] == index)
    return found


def of(scope: str) -> list[int]:
    return [index for index, slot in SLOTS.items() if slot.scope == scope]


ONE, TWO = of("sentence")[:2]
PAR, ALL = of("paragraph")[0], of("whole")[0]
SUFFIX = next(index for index in of("sentence") if SLOTS[index].target == "suffix")


@dataclass(frozen=True)
class Mistake:
    """`edit` changes the good reply, or `raw` its text. `lost`: reason by slot; `says`: of the
    first reject. `flags`: of the slots in `flagged`, by default of every one.
    """

    edit: Callable[[Reply], object] = lambda reply: None
    raw: Callable[[str], str] = lambda text: text
    lost: dict[int, str] = field(default_factory=dict)
    says: tuple[str, ...] = ()
    flag: str = ""
    flagged: tuple[int, ...] = tuple(SLOTS)


def unit(name: object, reason: str, *says: str, index: int = ONE) -> Mistake:
    return Mistake(
        lambda reply: find(reply, index).update(unit=name), lost={index: reason}, says=says
    )


def split(name: object, reason: str, *says: str) -> Mistake:
    return Mistake(
        lambda reply: reply["splits"].update(sentence=name),
        lost=dict.fromkeys(of("sentence"), reason),
        says=says,
    )


def swap(reply: Reply) -> None:
    one, other = find(reply, ONE), find(reply, PAR)
    one["slot"], other["slot"] = PAR, ONE


def drop(key: str) -> Mistake:
    return Mistake(
        lambda reply: find(reply, ONE).pop(key), lost={ONE: "slot_invalid"}, says=(f"{key}: ",)
    )


def all_of(reason: str) -> dict[int, str]:
    return dict.fromkeys(SLOTS, reason)


def remove(reply: Reply) -> None:
    reply["probes"].remove(find(reply, ONE))


MISTAKES = {
    "a split in place of a unit": unit("A.split2", "unit_wrong_kind", "A.split2 is a split of A"),
    "a unit of another kind": unit("A.par2", "unit_wrong_kind", "A.par2 is a paragraph of A"),
    "a sentence in place of a side": unit(
        "A.sent2", "unit_wrong_kind", "not a side", "slot 15: A.side", index=ALL
    ),
    "a unit of another sibling": unit(
        "B.sent3", "unit_other_sibling", "B.sent3 is a sentence of B", "chose A", "A.sent"
    ),
    "a unit of the example": unit("Z.sent7", "unit_other_sibling", "Z.sent7 is a sentence of Z"),
    "a null unit": unit(None, "unit_not_given", "no unit is given", "A.sent"),
    "a unit that does not exist": unit("A.sent99", "unit_unknown", "A.sent99 was not offered"),
    "a range in place of a unit": unit("A.sent2..A.sent4", "unit_unknown", "is not an id"),
    "copied text in place of a unit": unit("The council", "unit_unknown", "'The council' is not"),
    "a unit as a number": unit(
        3, "slot_invalid", "unit: ", "not 3", "legal units for slot 10: A.sent"
    ),
    "a unit on the wrong side": unit(
        beside(ONE, wrong=True)[0], "unit_wrong_side", PLACE.id, beside(ONE)[-1]
    ),
    "a unit twice": Mistake(
        lambda reply: find(reply, of("sentence")[2]).update(
            slot=of("sentence")[2], unit=find(reply, ONE)["unit"]
        ),
        lost={of("sentence")[2]: "unit_reused"},
        says=(f"is the unit of slot {ONE}",),
    ),
    "no split": split(None, "split_not_given", "legal sentence splits of A: A.split"),
    "a unit in place of a split": split("A.sent3", "split_wrong_kind", "A.sent3 is a sentence"),
    "a split of another sibling": split("B.split3", "split_other_sibling", "a split of B"),
    "a split that does not exist": split("A.split99", "split_unknown_id", "was not offered"),
    "a split that is illegal for its group": split(
        next(b.id for b in RECORD.shown[0].boundaries if len(b.groups) == 1),
        "split_not_legal",
        "does not serve this group",
    ),
    "a sibling that was not shown": Mistake(
        lambda reply: reply.update(sibling="Z"),
        lost=all_of("reply_invalid"),
        says=("sibling 'Z' was not shown (legal: A, B, C)",),
    ),
    "the example sent back": Mistake(
        raw=lambda text: json.dumps(EXAMPLE), lost=all_of("reply_invalid"), says=("'Z'",)
    ),
    "the reply to another document": Mistake(
        raw=lambda text: re.sub(r"\.(sent|par|split)(\d+)", r".\g<1>7\2", text),
        lost={
            index: "sibling_lacks_unit" if not OFFER.units[index]["A"] else "split_unknown_id"
            for index in SLOTS
        },
        says=("was not offered",),
    ),
    "a slot left out": Mistake(remove, lost={ONE: "slot_missing"}, says=(f"slot {ONE}",)),
    "a slot twice": Mistake(
        lambda reply: reply["probes"].append(copy.deepcopy(find(reply, ONE))),
        lost={ONE: "slot_invalid"},
        says=("twice",),
    ),
    "a slot number as a truth value": Mistake(
        lambda reply: find(reply, ONE).update(slot=True),
        lost={ONE: "slot_missing"},
        says=("a probe without a slot number",),
    ),
    "a slot number of 400 digits": Mistake(
        lambda reply: find(reply, ONE).update(slot=10**400),
        lost={ONE: "slot_missing"},
        says=("a probe for slot 1000",),
    ),
    "a slot number with a decimal point": Mistake(
        lambda reply: find(reply, ONE).update(slot=float(ONE))
    ),
    "a sibling as a number": Mistake(
        lambda reply: reply.update(sibling=1),
        lost=all_of("reply_invalid"),
        says=("sibling: ", "not 1", "(siblings: A, B, C)"),
    ),
    "a slot number that was not sent": Mistake(
        lambda reply: find(reply, ONE).update(slot=77),
        lost={ONE: "slot_missing"},
        says=("slot 77, which was not sent (10, 11, 12, 13, 14, 15)",),
    ),
    "slots swapped": Mistake(
        swap, lost={ONE: "unit_wrong_kind", PAR: "unit_wrong_kind"}, says=("is a paragraph",)
    ),
    "a slot declined": Mistake(
        lambda reply: reply["probes"].__setitem__(
            reply["probes"].index(find(reply, ONE)), {"slot": ONE, "decline": "all is repeated"}
        ),
        lost={ONE: "slot_declined"},
        says=("all is repeated",),
    ),
    "no question": drop("question"),
    "no answer": drop("answer"),
    "no typicality where it is asked for": Mistake(
        lambda reply: find(reply, SUFFIX).pop("typicality"),
        lost={SUFFIX: "slot_invalid"},
        says=("legal: typical, atypical",),
    ),
    "a question as a list": Mistake(
        lambda reply: find(reply, ONE).update(question=["What?"]),
        lost={ONE: "slot_invalid"},
        says=("question: ", "['What?']"),
    ),
    "an alternative equal to the answer": Mistake(
        lambda reply: find(reply, ONE).update(alternative=find(reply, ONE)["answer"]),
        lost={ONE: "V12_alternative"},
        says=("V12: it equals the truth",),
    ),
    "a note as a list of texts": Mistake(
        lambda reply: find(reply, ONE).update(synergy_check=["the cause", "its effect"])
    ),
    "a note of another type": Mistake(
        lambda reply: find(reply, ONE).update(difficulty_check={"hard": "yes"}),
        flag="V40",
        flagged=(ONE,),
    ),
    "an overlong note": Mistake(
        lambda reply: find(reply, ONE).update(difficulty_check="so it is, " * 3000),
        flag="V40",
        flagged=(ONE,),
    ),
    "an overlong rationale": Mistake(
        lambda reply: reply.update(sibling_rationale="so it is, " * 3000), flag="V40"
    ),
    "no rationale and no note": Mistake(
        lambda reply: [reply.pop("split_rationale"), find(reply, ONE).pop("difficulty_check")]
    ),
    "prose around the JSON": Mistake(raw=lambda text: f"Here are they:\n{text}\nThat is all."),
    "a code fence": Mistake(raw=lambda text: f"```json\n{text}\n```"),
    "an id in the brackets of its tag": Mistake(
        lambda reply: find(reply, ONE).update(unit=f"<{find(reply, ONE)['unit']}>")
    ),
    "entities": Mistake(
        lambda reply: find(reply, ONE).update(answer="It is told &amp; retold, in full."),
        flag="V41",
        flagged=(ONE,),
    ),
}


def documented() -> dict[str, str]:
    """The mistakes and their consequences in the documentation."""
    page = (ROOT / "docs/prompts.md").read_text(encoding="utf-8")
    table = page.partition("| mistake | lost |")[2].partition("\n\n")[0]
    rows = [line.strip("| ").split(" | ") for line in table.splitlines()[2:]]
    return {name: consequence for name, _, consequence in rows}


def consequence(mistake: Mistake) -> str:
    reasons = [f"`{each}`" for each in dict.fromkeys(mistake.lost.values())]
    flag = [f"flag `{mistake.flag}`"] if mistake.flag else []
    return ", ".join([*reasons, *flag]) or "none"


def test_the_good_reply_loses_nothing() -> None:
    probes, rejects = made(json.dumps(good()))

    assert not rejects
    assert len(probes) == len(SLOTS) == 6
    assert not [probe.flags for probe in probes.values() if {"V40", "V41"} & {*probe.flags}]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_loses_exactly_the_slots_it_should(name: str) -> None:
    mistake, whole, reply = MISTAKES[name], made(json.dumps(good()))[0], good()
    mistake.edit(reply)
    probes, rejects = made(mistake.raw(json.dumps(reply)))

    assert {index: each.reason for index, each in rejects.items()} == mistake.lost
    assert probes.keys() == SLOTS.keys() - mistake.lost.keys()
    first = rejects[min(rejects)].detail if rejects else ""
    assert all(each in first for each in mistake.says), first
    for index, probe in probes.items():
        expected = {*whole[index].flags}
        if mistake.flag and index in mistake.flagged:
            expected.add(mistake.flag)
        assert {*probe.flags} == expected
    assert REASONS.keys() >= {*mistake.lost.values()}


def test_the_documented_mistakes_are_these() -> None:
    assert len(MISTAKES) >= 20
    assert documented() == {name: consequence(each) for name, each in MISTAKES.items()}


def test_a_reject_names_all_faults_of_its_slot() -> None:
    reply = good()
    probe = find(reply, ONE)
    probe.update(unit="B.par1", answer=7)
    probe.pop("question")
    reply["splits"]["sentence"] = "A.sent1"
    _, rejects = made(json.dumps(reply))

    assert rejects[ONE].reason == "split_wrong_kind"
    for each in ("A.sent1 is a sentence", "question: ", "answer: ", "B.par1 is a paragraph of B"):
        assert each in rejects[ONE].detail


def test_a_declined_slot_is_read_from_damaged_json() -> None:
    reply = good()
    place = reply["probes"].index(find(reply, ONE))
    reply["probes"][place] = {"slot": ONE, "decline": "no unit is new"}
    probes, rejects = made(json.dumps(reply).replace('"rich"', '"it is "rich" indeed"'))

    assert {index: each.reason for index, each in rejects.items()} == {ONE: "slot_declined"}
    assert probes.keys() == SLOTS.keys() - {ONE}


def test_texts_are_unescaped_once_unless_the_source_holds_the_entity() -> None:
    reply = good()
    find(reply, ONE).update(answer="R&amp;amp;D &lt;and&gt; Ann&#x27;s", synergy_check="a &amp; b")
    probes, _ = made(json.dumps(reply))

    assert probes[ONE].response == "R&amp;D <and> Ann's"
    assert probes[ONE].synergy == "a & b"


def test_no_id_of_the_example_is_one_of_a_document() -> None:
    assert EXAMPLE["sibling"] not in ids.LETTERS
    assert {each["slot"] for each in EXAMPLE["probes"]}.isdisjoint(range(256))
    assert {*re.findall(r"([A-Z])\.(?:sent|par|side|split)", TEMPLATE)} == {"Z"}
