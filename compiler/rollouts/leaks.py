"""Special tokens that a server wrote into the text of a continuation."""

from __future__ import annotations

from collections.abc import Sequence

import regex

# Shapes of control tokens that no prose has, for models whose tokenizer is not known.
_SHAPES = (
    r"<\|[A-Za-z0-9_.\- ]{1,40}\|>",
    r"<(?:start|end)_of_[a-z]+>",
    r"<(?:bos|eos|pad|unk|mask|sep|cls)>",
    r"<unused\d{1,4}>",
    # Not the end of struck text.
    r"(?<!<s>[^<]{0,200})</s>",
    r"\[/?INST\]",
    r"<</?SYS>>",
    r"</?think>",
)


def pattern(special: Sequence[str]) -> regex.Pattern[str]:
    """Compile a pattern of the special tokens of a tokenizer, and of the usual shapes of others."""
    named = (regex.escape(token) for token in sorted(special, key=len, reverse=True) if token)
    return regex.compile("|".join([*named, *_SHAPES]))


def place(text: str, leaks: regex.Pattern[str]) -> int | None:
    """Find the first special token, and return its offset; None if there is none."""
    found = leaks.search(text)
    return found.start() if found else None


def stripped(text: str, leaks: regex.Pattern[str]) -> str:
    """Replace every run of special tokens by a paragraph break."""
    pieces = [piece.strip() for piece in leaks.split(text)]
    head = text[: len(text) - len(text.lstrip())]
    return head + "\n\n".join(piece for piece in pieces if piece)
