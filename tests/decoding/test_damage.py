"""Damaged replies: a slot is read as it was written, or it is rejected."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from compiler.decoding.repair import Decoded, Undecoded
from compiler.probes.reply import Draft
from tests.decoding.damage import (
    FIELDS,
    HEAD,
    QUOTATIONS,
    Author,
    Slot,
    accepted,
    read,
    reply,
    sentences,
    unescaped,
)

CORPUS = sentences()
PLAIN: Slot = {
    "slot": 10,
    "unit": "s3",
    "question": "What is told?",
    "answer": "All of it.",
    "alternative": "None of it, of course.",
    "typicality": None,
    "synergy_check": "a and b",
    "distribution_check": None,
    "difficulty_check": "argued",
}
OTHER: Slot = {**PLAIN, "slot": 11, "question": "And what else?"}


def drafted(*slots: Slot) -> dict[int, dict[str, object]]:
    return {int(str(each["slot"])): Draft.model_validate(each).model_dump() for each in slots}


@pytest.mark.parametrize("space", [" ", "\n", "\t"], ids=["space", "newline", "tab"])
def test_unescaped_quotes_are_read_as_written(request: pytest.FixtureRequest, space: str) -> None:
    """At least 95% of the damaged slots, and none wrongly; with raw newlines and tabs too."""
    author = Author(random.Random(7), CORPUS)
    times = 150 if request.config.getoption("--full") else 15
    rejected = total = 0
    for pairs, mark in QUOTATIONS.values():
        for name in FIELDS * times:
            slot, other = author.slot(10), author.slot(11)
            slot[name] = author.quoted(str(slot[name]), pairs, mark).replace(" ", space)
            found = accepted(read(reply(unescaped(slot), unescaped(other))))
            truth = drafted(slot, other)
            assert found.items() <= truth.items()
            assert 11 in found
            rejected += 10 not in found
            total += 1

    assert total == 21 * times
    assert rejected <= total * 0.05


# Quotations that may be keys, or whose end may be the end of the text.
UNCERTAIN = (
    'as in "a", "key": "value" and more',
    'is "typicality": a key?',
    'He said "yes',
    'ends here", "then begins again',
    'ends here"}, {"more": 11',
    'an "escape" of \\q',
)


@pytest.mark.parametrize(
    "text",
    [
        *UNCERTAIN,
        'According to the "record": in full?',
        '"record"',
        '"Yes", he said.',
        'He said "yes", "no", and "maybe"',
        'He said "yes".',
        'a "b" c "d" e "f"',
        'the set {"a", "b"}',
        'the list ["a", "b"], then',
        'a 6" pipe',
        'half "a quotation, and "another" in it"',
        'first line\nsecond "line"\tand a tab',
        "it's 'so' and “so” and \"so\"",
        'ends with "quotes and braces"}',
        'a "key": "value" pair',
        'is "typicality" a word?',
    ],
)
@pytest.mark.parametrize("name", FIELDS)
def test_a_quotation_is_all_of_it_or_rejected(name: str, text: str) -> None:
    slot: Slot = {**PLAIN, name: text}
    found = accepted(read(reply(json.dumps(slot), json.dumps(OTHER))))
    assert found == drafted(slot, OTHER)

    damaged = accepted(read(reply(_raw(slot), json.dumps(OTHER))))
    assert damaged == (drafted(OTHER) if text in UNCERTAIN else drafted(slot, OTHER))


def _raw(slot: Slot) -> str:
    return unescaped({k: "null" if v is None else v for k, v in slot.items()}).replace(
        '"null"', "null"
    )


@pytest.mark.parametrize(
    "damage",
    [
        ('"answer": "All', '"answer": "All of" it", stray "answer": "All'),
        ('"What is told?"', '"What is told?'),
        ('"What is told?", "answer": ', '"What is told?, "answer": '),
        ('"answer"', '"reply"'),
        ('"answer": "All of it."', '"answer": "All "of it.", "mood": "fine"'),
        ('"answer": "All of it."', '"answer": "He said "of it."'),
        ('"All of it."', '"All "of it."'),
        ('"All of it."', '“All of it."'),
        ('"All of it."', '["All "of" it."]'),
        ('"All of it."', '"All \\q of "it"."'),
        ('"unit": "s3"', '"unit": , "mood" "s3"'),
        ('"slot": 10, ', '"slot": 10 11, '),
        ('"argued"', '"argued" and more'),
        ('"argued"', '"argued", "argued"'),
        ('"argued"}', '"argued", "slot": 10,, "question": "Which?"}'),
    ],
)
def test_a_slot_of_uncertain_text_is_rejected_alone(damage: tuple[str, str]) -> None:
    old, new = damage
    text = json.dumps(PLAIN)
    assert old in text
    found = read(reply(text.replace(old, new, 1), json.dumps(OTHER)))

    assert isinstance(found, Decoded)
    assert accepted(found) == drafted(OTHER)


@pytest.mark.parametrize(
    "damage",
    [
        ('"argued"}', '"argued",}'),
        ('"s3", ', '"s3",, '),
        ('"s3", ', '"s3" '),
        ('"All of it."', "'All of it.'"),
        ('"All of it."', "“All of it.”"),
        ('"question"', "“question”"),
        ('"question"', "question"),
        ("null", "None"),
        ('"s3", ', '"s3", // the third\n'),
    ],
)
def test_damaged_syntax_loses_nothing(damage: tuple[str, str]) -> None:
    old, new = damage
    text = json.dumps(PLAIN)
    assert old in text
    found = read(reply(text.replace(old, new, 1), json.dumps(OTHER)))

    assert accepted(found) == drafted(PLAIN, OTHER)


def _object(rationale: str, *slots: Slot) -> str:
    return json.dumps({**HEAD, "sibling_rationale": rationale, "probes": [*slots]})


DRAFT, FINAL = _object("draft", PLAIN), _object("final", OTHER)
DAMAGED = DRAFT.replace("What is told?", 'What "is" told?')


@pytest.mark.parametrize(
    "text",
    [
        f"{DRAFT}\nOn reflection, corrected version:\n{FINAL}",
        f"```json\n{DRAFT}\n```\nor\n```json\n{FINAL}\n```",
        f"[{DRAFT}, {FINAL}]",
        f"{DAMAGED}\nCorrected:\n{FINAL}",
        f"{DRAFT}\nCorrected:\n{FINAL[:-40]}",
        f"I thought about {DRAFT}.</think>\n{FINAL}",
        f"The plan: <think>{DRAFT}</think>\n{FINAL}",
        f'{{"plan": "a "draft" first", {DRAFT[1:]}\nCorrected:\n{FINAL}',
    ],
)
def test_several_objects_that_differ_are_ambiguous(text: str) -> None:
    found = read(text)

    assert isinstance(found, Undecoded)
    assert found.ambiguous


@pytest.mark.parametrize(
    "text",
    [
        f"I use the format {{slot: id}}.\n```json\n{FINAL}\n```",
        f'The slots are {{0..2}}, and {{"sibling": 3}} is my choice.\n{FINAL}',
        f"<think>{DRAFT}</think>\n{FINAL}",
        f"<think>The slots are {{0..2}}; pick one.</think>\n{FINAL}",
        f"Let me think about slots.</think>\n{FINAL}",
        f"{FINAL}\nThe same again:\n{FINAL}",
        f'{FINAL}\nI left {{"slot": 12}} out, as in "{{slot}}".',
        f"{{}} {FINAL}",
    ],
)
def test_the_only_object_of_the_shape_is_the_reply(text: str) -> None:
    found = read(text)

    assert isinstance(found, Decoded)
    assert found.value == json.loads(FINAL)


@pytest.mark.parametrize(
    "text",
    [
        "<think>" + FINAL,
        "{slot: id}",
        '{"plan": "a "b"", ' + FINAL[1:],
        '{"sibling": "a "b',
        f"{FINAL[:60]}",
        '{"sibling"',
    ],
)
def test_text_without_a_whole_object_is_no_reply(text: str) -> None:
    found = read(text)

    assert isinstance(found, Undecoded)
    assert not found.ambiguous


def test_a_key_with_two_values_is_no_choice() -> None:
    twice = FINAL[:-1] + ', "probes": []}'
    slot = json.dumps(PLAIN)[:-1] + ', "question": "Which?"}'

    assert isinstance(read(twice), Undecoded)
    assert accepted(read(reply(slot, json.dumps(OTHER)))) == drafted(OTHER)
    assert accepted(read(FINAL[:-1] + ', "sibling": 1}')) == drafted(OTHER)


def test_unknown_keys_are_listed_by_their_paths() -> None:
    value = {**HEAD, "mood": 1, "splits": {"page": "b1"}, "probes": [{**PLAIN, "a | b": 1}, OTHER]}
    found = read(json.dumps(value))

    assert isinstance(found, Decoded)
    assert found.unknown == ("mood", "splits.page", "probes.a_b")
    assert accepted(found) == drafted(PLAIN, OTHER)


WORDS = st.sampled_from(
    [
        *("the", "harbour", "Harlow", "it's", "naïve", '6"', '"record"', '"Yes,"', "“so”", "say:"),
        *("{a}", "[b]", "a, b", "x:", "C:\\d", "\n", "\t", '("no")', "answer", '"slot"', "10", "–"),
    ]
)
TEXTS = st.lists(WORDS, min_size=1, max_size=8).map(" ".join).filter(str.strip)


@st.composite
def slots(draw: st.DrawFn) -> list[Slot]:
    return [
        {
            **PLAIN,
            "slot": number,
            "unit": draw(st.sampled_from(["s3", None])),
            "typicality": draw(st.sampled_from(["typical", None])),
            **{name: draw(TEXTS) for name in ("question", "answer", "alternative")},
            **{name: draw(TEXTS) for name in ("synergy_check", "difficulty_check")},
        }
        for number in range(10, 10 + draw(st.integers(1, 3)))
    ]


DAMAGES: dict[str, Callable[[str, float], str]] = {
    "quotes": lambda text, at: _at(text, r'\\"', '"', at),
    "all quotes": lambda text, at: text.replace('\\"', '"'),
    "newline": lambda text, at: text.replace("\\n", "\n"),
    "tab": lambda text, at: text.replace("\\t", "\t"),
    "trailing comma": lambda text, at: _at(text, r'(?<=["l}\]])(?=[}\]])', ",", at),
    "missing comma": lambda text, at: _at(text, r',(?= ")', "", at),
    "missing comma between": lambda text, at: _at(text, r",(?= \{)", "", at),
    "cut": lambda text, at: text[: int(len(text) * at)],
    "smart value": lambda text, at: _at(text, r': "([^"\\]*)"(?=[,}])', r": “\1”", at),
    "smart opener": lambda text, at: _at(text, r': "', ": “", at),
    "smart closer": lambda text, at: _at(text, r'", "', '”, "', at),
    "smart key": lambda text, at: _at(text, r'"(\w+)":', r"“\1”:", at),
    "missing quote": lambda text, at: _at(text, r'", "', ', "', at),
    "stray between": lambda text, at: _at(text, r"(?<=\}), (?=\{)", ", and so on, ", at),
    "stray inside": lambda text, at: _at(text, r'", "', '", so "', at),
    "around": lambda text, at: f"Here {{it}} is:\n```json\n{text}\n```\nI hope this {{helps}}.",
}


def _at(text: str, pattern: str, new: str, at: float) -> str:
    """Replace one occurrence of a pattern, at some share of all of them."""
    found = [*re.finditer(pattern, text)]
    if not found:
        return text
    each = found[min(int(len(found) * at), len(found) - 1)]
    return text[: each.start()] + each.expand(new.replace("\\d", "\\\\d")) + text[each.end() :]


@given(
    slots(),
    st.lists(
        st.tuples(st.sampled_from(sorted(DAMAGES)), st.floats(0, 1, exclude_max=True)),
        min_size=1,
        max_size=3,
    ),
)
def test_no_accepted_slot_differs_from_what_was_written(
    written: list[Slot], damages: list[tuple[str, float]]
) -> None:
    text = reply(*(json.dumps(each, ensure_ascii=False) for each in written))
    for name, at in damages:
        text = DAMAGES[name](text, at)
    found = read(text)

    if isinstance(found, Decoded) and not found.unknown:
        assert accepted(found).items() <= drafted(*written).items()
