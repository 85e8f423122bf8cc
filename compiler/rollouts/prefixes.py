"""The beginning of a human text that a source model continues."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import regex

from compiler.rollouts import sentences
from compiler.spec.rollouts import PrefixRules

_WORD_END = regex.compile(r"\S(?=\s)")
_PARAGRAPH_END = regex.compile(r"\S(?=[^\S\n]*\n[^\S\n]*\n)")


@dataclass(frozen=True, slots=True)
class Offsets:
    """The places between two tokens of a text, and the number of tokens before each."""

    clean: Sequence[int]
    before: Sequence[int]


def cut(text: str, rules: PrefixRules, drawn: float, tokens: Offsets | None) -> int | None:
    """Choose the end of a prefix; None if no allowed one is long enough.

    A prefix is at most half of its text, ends without whitespace, and has the greatest length up
    to the drawn one. `drawn`: a uniform number in [0, 1) for the length. `tokens`: of the text,
    where lengths or ends are tokens.
    """
    length = _length(text, rules, tokens)
    wanted = rules.min + int(drawn * (rules.max - rules.min + 1))
    half = len(text) // 2
    ends = [
        end
        for end in _ends(text[: half + 1], rules, tokens)
        if 0 < end <= half and not text[end - 1].isspace() and rules.min <= length(end)
    ]
    below = [end for end in ends if length(end) <= wanted]
    # The shortest allowed one where every boundary lies behind the drawn length.
    above = [end for end in ends if wanted < length(end) <= rules.max]
    return below[-1] if below else above[0] if above else None


def _length(text: str, rules: PrefixRules, tokens: Offsets | None) -> Callable[[int], float]:
    if rules.unit == "share":
        return lambda end: 100 * end / len(text)
    if rules.unit == "chars":
        return float
    assert tokens is not None, "a spec with lengths in tokens has a tokenizer"
    clean, before = tokens.clean, tokens.before
    return lambda end: float(before[max(0, bisect_right(clean, end) - 1)])


def _ends(head: str, rules: PrefixRules, tokens: Offsets | None) -> list[int]:
    """List the ends of units in the head of a text, in order."""
    match rules.boundary:
        case "token":
            assert tokens is not None, "a spec with ends of tokens has a tokenizer"
            return [offset for offset in tokens.clean if offset < len(head)]
        case "word":
            return [match.end() for match in _WORD_END.finditer(head)]
        case "paragraph":
            return [match.end() for match in _PARAGRAPH_END.finditer(head)]
        case "sentence":
            return [end for end in sentences.ends(head) if end < len(head)]
