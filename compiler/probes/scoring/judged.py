"""The judged policy: a judge's number for every rollout."""

from __future__ import annotations

import regex

_NUMBER = regex.compile(r"(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)\.?")


def parse(verdict: str, truth: str = "") -> float | None:
    """The one number in [0, 1] that a verdict consists of; None for anything else.

    Out-of-range numbers, percentages, fractions ("0.7/1"), decimal commas and words are failures
    by policy: clipping or guessing would invent a score.
    """
    text = verdict.strip()
    if _NUMBER.fullmatch(text) is None:
        return None
    return float(text.removesuffix(".") if text.count(".") > 1 or text.endswith(".") else text)
