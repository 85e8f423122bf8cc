"""The class of the end of a text: of a line, of a sentence, or neither."""

from __future__ import annotations

MIDDLE, SENTENCE, LINE_END = range(3)
_CLOSING, _TERMINAL = '"”’)]', (".", "!", "?", "…")
_KINDS = {MIDDLE: "within", SENTENCE: "sentence", LINE_END: "line"}


def closing_of(text: str) -> int:
    """Classify the end of a window: end of a line, of a sentence, or neither."""
    body = text.rstrip()
    if "\n" in text[len(body) :]:
        return LINE_END
    return SENTENCE if body.rstrip(_CLOSING).endswith(_TERMINAL) else MIDDLE


def split_kind(text: str, split: int) -> str:
    """Return the kind of a split: "line" or "sentence" if one ends there, else "within"."""
    # A split may lie before or after the whitespace of its gap.
    after = text[split:]
    gap = after[: len(after) - len(after.lstrip())]
    return _KINDS[closing_of(text[:split] + gap)]
