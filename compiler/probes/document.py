"""Source documents: their usable siblings, and the reasons why others are skipped."""

from __future__ import annotations

from compiler.records import Document, Sibling, Skip
from compiler.spec.model import Siblings

_WINDOW = 5


def full_text(document: Document, sibling: Sibling) -> str:
    """Join prefix and continuation, unchanged; all offsets count in this string."""
    return document.prefix + sibling.continuation


def usable(document: Document, rules: Siblings) -> tuple[list[Sibling], list[Skip]]:
    """Return the usable distinct siblings in source order, and a reason for each other one."""
    kept: list[Sibling] = []
    skipped: list[Skip] = []
    seen: set[str] = set()
    for sibling in document.siblings:
        reason = _fault(sibling.continuation, rules)
        if reason is None and sibling.continuation in seen:
            reason = "sibling_duplicate"
        if reason is None:
            seen.add(sibling.continuation)
            kept.append(sibling)
        else:
            skipped.append(Skip(reason))
    return kept, skipped


def _fault(continuation: str, rules: Siblings) -> str | None:
    text = continuation.strip()
    if not text:
        return "sibling_empty"
    if len(text) < rules.min_chars:
        return "sibling_short"
    if repeats(text, rules.max_repeat):
        return "sibling_looping"
    return None


def repeats(text: str, share: float) -> bool:
    """Return whether `repeated_share` of a text is above a share."""
    words = text.split()
    # Each word but the last few begins a window, so there are at least as many distinct windows as
    # distinct words among those. For most texts this bound decides; the + 1 covers rounding.
    windows, words_apart = len(words) - _WINDOW + 1, len(set(words)) - _WINDOW + 1
    surely_not = len(words) >= _WINDOW * 2 and words_apart > (1.0 - share) * windows + 1
    return not surely_not and repeated_share(text) > share


def repeated_share(text: str) -> float:
    """Compute the share of 5-word windows that occur earlier in the text, 0 without repetition.

    Texts without spaces (Chinese, Thai) are windowed by character.
    """
    words = text.split()
    if len(words) < _WINDOW * 2:
        words = list(text)
    count = len(words) - _WINDOW + 1
    distinct = set(zip(*(words[i:] for i in range(_WINDOW)), strict=False))
    return 1.0 - len(distinct) / count if count > 0 else 0.0
