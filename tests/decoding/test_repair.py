"""Replies as models really send them: each repair step reads its damage and invents nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.decoding.repair import Decoded, Undecoded, decode
from compiler.keys import Json
from tests.strategies import json_values, texts

GOOD = '{"sibling": 1, "note": "a\\nb", "probes": [{"slot": 10, "question": "why?"}]}'
TEXT: Json = {"type": "string"}
ITEM: Json = {"properties": {"slot": {"type": "integer"}, "question": TEXT}}
SCHEMA: dict[str, Json] = {
    "properties": {"sibling": {"type": "integer"}, "note": TEXT, "probes": {"items": ITEM}}
}


@given(st.dictionaries(texts, json_values(), min_size=1, max_size=4))
def test_valid_json_is_left_alone(value: dict[str, object]) -> None:
    found = decode(json.dumps(value), SCHEMA)

    assert isinstance(found, Decoded)
    assert (found.value, found.rung) == (value, "strict")


@pytest.mark.parametrize(
    ("text", "rung"),
    [
        (GOOD, "strict"),
        (f"  {GOOD}\n", "strict"),
        (GOOD.replace("\\n", "\n"), "lenient"),
        (f"```json\n{GOOD}\n```", "unfenced"),
        (f"Here is the JSON you asked for:\n{GOOD}\nLet me know!", "unfenced"),
        (GOOD.replace('"}]', '",}]'), "repaired"),
        (GOOD.replace("why?", 'why "this" one?'), "repaired"),
    ],
)
def test_each_damage_has_its_rung(text: str, rung: str) -> None:
    found = decode(text, SCHEMA)

    assert isinstance(found, Decoded)
    assert found.rung == rung
    assert found.value["sibling"] == 1


@pytest.mark.parametrize("text", ["", "no JSON here", "[1, 2]", '"text"', "{", "}{", "{}..."])
def test_what_holds_no_object_is_none(text: str) -> None:
    found = decode(text, SCHEMA)

    assert isinstance(found, Undecoded) or found.value == {}


def test_a_repair_that_invents_text_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    import json_repair

    monkeypatch.setattr(
        json_repair, "repair_json", lambda *args, **kwargs: {"note": "never written"}
    )

    assert isinstance(decode('{"sibling": 1,, "note": "really written",,}', SCHEMA), Undecoded)


@pytest.mark.parametrize(
    "odd", ["9" * 5000, f"{'[' * 20_000}{']' * 20_000}", "1e999"], ids=["digits", "deep", "large"]
)
def test_numbers_and_brackets_without_end_end_nothing(odd: str) -> None:
    """What cannot be read is no reply; what can be is what it was."""
    found = decode(GOOD.replace('"slot": 10', f'"slot": {odd}'), SCHEMA)

    assert isinstance(found, Undecoded) or isinstance(found.value, dict)
