"""The text of a card -> everything that it claims about itself."""

from __future__ import annotations

from compiler.checking.claims import grid, header, sentences
from compiler.checking.claims.claim import Claims
from compiler.checking.claims.page import Page


def read(text: str) -> Claims:
    """All claims in the order of the text; any text is read, a text without claims gives none."""
    page = Page(text)
    found = [*header.read(page), *grid.read(page), *sentences.read(page)]
    return Claims(tuple(sorted(found, key=lambda each: (each.line, each.column, each.name))))
