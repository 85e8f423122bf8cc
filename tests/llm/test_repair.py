"""Replies as models really send them: each repair step reads its damage and invents nothing."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.llm.repair import decode
from tests.strategies import json_values, texts

GOOD = '{"sibling": 1, "note": "a\\nb", "probes": [{"slot": 10, "question": "why?"}]}'


@given(st.dictionaries(texts, json_values(), min_size=1, max_size=4))
def test_valid_json_is_unchanged(value: dict[str, object]) -> None:
    found = decode(json.dumps(value))

    assert found is not None
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
def test_each_damage_has_its_repair_step(text: str, rung: str) -> None:
    found = decode(text)

    assert found is not None
    assert found.rung == rung
    assert isinstance(found.value, dict)
    assert found.value["sibling"] == 1


@pytest.mark.parametrize("text", ["", "no JSON here", "[1, 2]", '"text"', "{", "}{", "{}..."])
def test_text_without_an_object_is_none(text: str) -> None:
    found = decode(text)

    assert found is None or found.value == {}


def test_a_repair_that_invents_text_is_rejected(monkeypatch: pytest.MonkeyPatch) -> None:
    import json_repair

    monkeypatch.setattr(
        json_repair, "repair_json", lambda *args, **kwargs: {"note": "never written"}
    )

    assert decode('{"note": "really written",,}') is None


@pytest.mark.parametrize(
    "odd", ["9" * 5000, f"{'[' * 20_000}{']' * 20_000}", "1e999"], ids=["digits", "deep", "large"]
)
def test_huge_numbers_and_deep_brackets_do_not_crash_the_decoder(odd: str) -> None:
    """Decode a readable text to its own values, and an unreadable one to none."""
    found = decode(GOOD.replace('"slot": 10', f'"slot": {odd}'))

    assert found is None or isinstance(found.value, dict)
