"""Ends of sentences, to which a continuation is cut."""

from __future__ import annotations

import regex

# A terminal sign with what closes behind it, before whitespace or the end of the text. Signs of
# scripts without spaces need none. An initial or a number before the sign is no end.
_END = regex.compile(
    r"""(?:(?<!\b\p{Lu})(?<!\s\d{1,3})\.|[!?…؟।॥።])["'”’»)\]]*(?=\s|$)|[。！？]["'”’」』）]*"""
)


def ends(text: str) -> list[int]:
    """Return the offsets behind all sentences that end in a text, in order."""
    return [match.end() for match in _END.finditer(text)]


def last_end(text: str) -> int | None:
    """Return the offset behind the last sentence that ends in a text; None if none does."""
    place = None
    for match in _END.finditer(text):
        place = match.end()
    return place


def end_before(text: str, offset: int) -> int:
    """Return the offset behind the last sentence that ends at or before `offset`, else 0."""
    return last_end(text[:offset].rstrip() + "\n") or 0 if offset else 0
