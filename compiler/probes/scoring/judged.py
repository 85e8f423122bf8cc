"""The judged policy: one number from the judge for every rollout."""

from __future__ import annotations

from compiler.patterns import pattern

_NUMBER = pattern(r"(?:0(?:\.\d+)?|1(?:\.0+)?|\.\d+)\.?")


def parse(verdict: str, truth: str = "") -> float | None:
    """Parse a verdict that consists of a single number in [0, 1]; None for anything else.

    Out-of-range numbers, percentages, fractions ("0.7/1"), decimal commas and words are failures,
    because clipping or guessing would invent a score.
    """
    text = verdict.strip()
    if _NUMBER.fullmatch(text) is None:
        return None
    return float(text.removesuffix(".") if text.count(".") > 1 or text.endswith(".") else text)
