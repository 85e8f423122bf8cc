"""Filters of continuations: each cut and each reason, with the characters that are lost."""

from __future__ import annotations

import pytest

from compiler.probes.reasons import SKIPS
from compiler.records import Document, Sibling, Skip
from compiler.rollouts.filters import FILTERS, usable
from compiler.spec.filters import Filters

PREFIX = "The harbour lay quiet under the morning fog, and three boats were still moored there."
# Sentences without a common run of three words.
GOOD = (
    " A woman in a red coat walked along the pier. She counted gulls until the bell rang twice. "
    "Nobody had warned her about the late ferry, so a crate became her chair. Her newspaper told "
    "of storms further north."
)
LOOP = " The lamp was lit again by the keeper at night." * 12


def filtered(*texts: str, **rules: object) -> tuple[list[str], list[tuple[str, int]]]:
    document = Document("d", "", PREFIX, tuple(Sibling(n, text) for n, text in enumerate(texts)))
    found = usable(document, Filters.model_validate({"min_chars": 40, **rules}))
    return [each.continuation for each in found.siblings], [
        (s.reason, s.chars) for s in found.skips
    ]


def test_no_filter_leaves_every_text_unchanged() -> None:
    assert filtered(GOOD, GOOD + " More.") == ([GOOD, GOOD + " More."], [])


@pytest.mark.parametrize(
    ("tail", "rules", "reason"),
    [
        ("<|endoftext|>Another page begins.", {"leak": {}}, "cut_leak"),
        ("<start_of_image>A caption.", {"leak": {}}, "cut_leak"),
        ("@@END@@ Another page.", {"leak": {"tokens": ["@@END@@"]}}, "cut_leak"),
        ("\n\nShare this article: Facebook Twitter", {"boilerplate": {}}, "cut_boilerplate"),
        ("\nLeave a comment\nYour name", {"boilerplate": {}}, "cut_boilerplate"),
        (" Then the wind turned and", {"sentence": {}}, "cut_sentence"),
    ],
)
def test_a_tail_is_cut_and_its_characters_are_counted(
    tail: str, rules: dict[str, object], reason: str
) -> None:
    assert filtered(GOOD + tail, **rules) == ([GOOD], [(reason, len(tail))])


def test_a_loop_is_cut_behind_the_last_sentence_before_it() -> None:
    (text,), ((reason, chars),) = filtered(GOOD + LOOP, loop={})

    assert reason == "cut_loop"
    assert text.startswith(GOOD)
    assert text.endswith(".")
    assert len(text) < len(GOOD) + 120
    assert chars == len(GOOD + LOOP) - len(text)


def test_stripped_tokens_become_a_paragraph_break() -> None:
    kept, _ = filtered(GOOD + "<start_of_image>" + GOOD, leak={"action": "strip"})

    assert kept == [f"{GOOD}\n\n{GOOD.strip()}"]


@pytest.mark.parametrize(
    ("text", "rules", "reason"),
    [
        ("", {}, "sibling_empty"),
        (" \n", {}, "sibling_empty"),
        ("Short.", {}, "sibling_short"),
        ("Too short.<|im_end|>" + GOOD, {"leak": {}}, "sibling_short"),
        (GOOD + "</s>", {"leak": {"action": "reject"}}, "sibling_leaking"),
        (GOOD + LOOP, {"loop": {"action": "reject"}}, "sibling_looping"),
        (
            GOOD + "\nAll rights reserved",
            {"boilerplate": {"action": "reject"}},
            "sibling_boilerplate",
        ),
        (" " + PREFIX, {"copies": {}}, "sibling_copies_prefix"),
    ],
)
def test_a_continuation_is_rejected_with_its_reason(
    text: str, rules: dict[str, object], reason: str
) -> None:
    assert filtered(text, **rules) == ([], [(reason, len(text))])


def test_what_a_cut_leaves_is_measured_again() -> None:
    """Reject a text that repeats itself at distances beyond a loop's."""
    far = GOOD + " " + "".join(f" Word{n} stands{n} alone{n}." for n in range(45)) + GOOD * 2

    assert filtered(far, loop={"window": 1000, "share": 1.0, "coverage": 0.2})[1][0][0] == (
        "sibling_looping"
    )


def test_copies_among_siblings_are_counted_once() -> None:
    near = GOOD.replace("red", "green").replace("twice", "once")

    assert filtered(GOOD, GOOD, copies={"sibling": None}) == (
        [GOOD],
        [("sibling_duplicate", len(GOOD))],
    )
    assert filtered(GOOD, near, copies={}) == ([GOOD], [("sibling_near_copy", len(near))])
    # Texts that are equal after a cut.
    both = filtered(GOOD + "</s>one", GOOD + "</s>two", leak={})
    assert both == ([GOOD], [("cut_leak", 7), ("sibling_duplicate", len(GOOD) + 7)])


def test_every_reason_is_explained() -> None:
    cuts = {f"cut_{name}" for name in FILTERS}

    assert cuts <= SKIPS.keys()
    assert Skip("cut_leak").chars == 0
    assert FILTERS.keys() <= Filters.model_fields.keys()
