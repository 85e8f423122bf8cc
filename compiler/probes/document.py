"""Source documents and their full texts."""

from __future__ import annotations

from compiler.records import Document, Sibling


def full_text(document: Document, sibling: Sibling) -> str:
    """Join prefix and continuation, unchanged; all offsets count in this string."""
    return document.prefix + sibling.continuation
