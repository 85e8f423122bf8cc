"""Replies as models really send them, from tests/data/replies.jsonl.

Each is read, or rejected with its reason, and damage rejects only the slots that it affects.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from compiler.decoding.repair import Decoded, decode
from compiler.probes import reply
from compiler.probes.scopes import written
from tests.conftest import ROOT
from tests.probes.test_reply import OFFER, RECORD, good, scopes

CASES = [
    json.loads(line)
    for line in (ROOT / "tests/data/replies.jsonl").read_text(encoding="utf-8").splitlines()
]


def sent(case: dict[str, str]) -> str:
    """Return the raw text of a case: a good reply in its template, or damaged."""
    text = json.dumps(good(), indent=1, ensure_ascii=False)
    if "around" in case:
        return case["around"].replace("%REPLY%", text)
    if "cut" in case:
        return text[: int(len(text) * float(case["cut"]))]
    old, new = case["old"], case["new"]
    assert old in text, old
    return text.replace(old, new, 1)


def slots(raw: str) -> tuple[str, set[int], set[str]] | str:
    """The rung, the slots that became probes and the reasons of the others; a str if no use."""
    decoded = decode(raw, reply.SCHEMA)
    if not isinstance(decoded, Decoded):
        return "reply_ambiguous" if decoded.ambiguous else "reply_unparsed"
    damages = [(damage.text, damage.why) for damage in decoded.damages]
    parsed = reply.interpret(decoded.value, RECORD, OFFER, damages)
    if isinstance(parsed, str):
        return "reply_invalid"
    made = written.build(RECORD, OFFER, parsed, scopes(), suffix_in_generated=True)
    return decoded.rung, {p.slot for p in made.probes}, {r.reason for r in made.rejects}


@pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["what"]))
def test_a_reply_is_read_or_rejected_with_its_reason(case: dict[str, str]) -> None:
    whole = slots(json.dumps(good()))
    found = slots(sent(case))
    if case["outcome"].startswith("reply_"):
        assert found == case["outcome"]
        return
    assert not isinstance(found, str), found
    assert not isinstance(whole, str)
    rung, built, reasons = found
    assert rung == case["outcome"]
    assert len(whole[1]) - len(built) == int(case.get("lost", "0"))
    assert built <= whole[1]
    if "reason" in case:
        assert case["reason"] in reasons


def test_a_repair_invents_nothing() -> None:
    """Find every text of every repaired probe in the raw reply."""
    for case in CASES:
        raw = sent(case)
        decoded = decode(raw, reply.SCHEMA)
        if isinstance(decoded, Decoded) and decoded.rung == "repaired":
            flat = "".join(raw.replace("\\", "").split())
            probes = decoded.value.get("probes", [])
            assert isinstance(probes, list)
            for probe in probes:
                for value in probe.values():
                    if isinstance(value, str):
                        assert "".join(value.replace("\\", "").split()) in flat


REAL = [
    json.loads(line)
    for line in (ROOT / "tests/data/real_replies.jsonl").read_text(encoding="utf-8").splitlines()
]


def strings(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, (dict, list)):
        for item in value.values() if isinstance(value, dict) else value:
            yield from strings(item)


@pytest.mark.parametrize("case", REAL, ids=lambda case: str(case["case"])[:60])
def test_real_replies_of_small_models_are_read_without_inventing_anything(
    case: dict[str, str],
) -> None:
    """Qwen2.5-Coder 0.5B and 1.5B as generators, unedited; the case names the rung that read it."""
    decoded = decode(case["raw"], reply.SCHEMA)
    assert isinstance(decoded, Decoded)
    assert f"[rung {decoded.rung}," in case["case"]
    raw = "".join(case["raw"].replace("\\", "").split())
    for text in strings(decoded.value):
        assert "".join(text.replace("\\", "").split()) in raw
    parsed = reply.interpret(decoded.value, RECORD, OFFER)
    # They are about other documents, and most repeat the prompt's example, so no probe is built.
    assert (
        isinstance(parsed, str)
        or not written.build(RECORD, OFFER, parsed, scopes(), suffix_in_generated=True).probes
    )
