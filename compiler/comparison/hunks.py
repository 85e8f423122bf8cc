"""Differences between two texts: hunks of lines, with the changed words of each changed line.

Lines are compared as by `diff -u`; a run of replaced lines is compared again word by word, so that
one edited word of a long paragraph is shown as one word.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Literal

Sign = Literal[" ", "-", "+"]
_WORDS = re.compile(r"\s+|\w+|[^\w\s]")
# Matching words takes time proportional to the product of both lengths. Longer lines are shown as
# changed from their first difference to their last.
_MOST_WORDS = 3000
# In shortened output, a line above _LONG_LINE characters loses the middle of every equal stretch
# above _LONG characters; _KEPT characters stay on either side.
_LONG_LINE, _LONG, _KEPT = 300, 160, 60


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of a line; `changed` if it is in one text only."""

    text: str
    changed: bool


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a diff: its sign, as in a unified diff, and its text in pieces."""

    sign: Sign
    pieces: tuple[Piece, ...]

    @property
    def text(self) -> str:
        """The whole line."""
        return "".join(piece.text for piece in self.pieces)

    def shortened(self) -> tuple[Piece, ...]:
        """Return the pieces; in a long line, without the middle of long equal stretches."""
        if len(self.text) <= _LONG_LINE:
            return self.pieces
        last = len(self.pieces) - 1
        return tuple(
            piece if piece.changed else Piece(_cut(piece.text, i == 0, i == last), False)
            for i, piece in enumerate(self.pieces)
        )


@dataclass(frozen=True, slots=True)
class Hunk:
    """Adjacent changes with context lines; line numbers count from 1, as in a unified diff."""

    old_start: int
    old_lines: int
    new_start: int
    new_lines: int
    lines: tuple[Line, ...]

    @property
    def head(self) -> str:
        """The head as in a unified diff: `@@ -3,7 +3,8 @@`."""
        old = _range(self.old_start, self.old_lines)
        new = _range(self.new_start, self.new_lines)
        return f"@@ -{old} +{new} @@"


def hunks(old: str, new: str, context: int = 3) -> tuple[Hunk, ...]:
    """Compute the hunks between two texts; none if they are equal."""
    left, right = old.split("\n"), new.split("\n")
    # A final newline ends the last line; no empty line follows it.
    for lines in (left, right):
        if lines[-1] == "":
            lines.pop()
    matcher = SequenceMatcher(None, left, right, autojunk=False)
    found = []
    for group in matcher.get_grouped_opcodes(context):
        lines_: list[Line] = []
        for tag, i1, i2, j1, j2 in group:
            if tag == "equal":
                lines_.extend(Line(" ", (Piece(text, False),)) for text in left[i1:i2])
            else:
                lines_.extend(_replaced(left[i1:i2], right[j1:j2]))
        _, i1, _, j1, _ = group[0]
        _, _, i2, _, j2 = group[-1]
        found.append(Hunk(i1 + 1, i2 - i1, j1 + 1, j2 - j1, tuple(lines_)))
    if not found and old != new:
        # Only the final newline differs; it is marked as by `diff`.
        mark = "\\ no newline at the end"
        texts = [
            f"{left[-1] if left else ''}{'' if t.endswith(chr(10)) else mark}" for t in (old, new)
        ]
        lines_ = [Line("-", (Piece(texts[0], True),)), Line("+", (Piece(texts[1], True),))]
        found.append(Hunk(max(1, len(left)), 1, max(1, len(right)), 1, tuple(lines_)))
    return tuple(found)


def unified(old_name: str, new_name: str, found: Sequence[Hunk], *, whole: bool = True) -> str:
    """Format hunks as a unified diff; without `whole`, long equal stretches are shortened."""
    lines = [f"--- {old_name}", f"+++ {new_name}"]
    for hunk in found:
        lines.append(hunk.head)
        for line in hunk.lines:
            text = line.text if whole else "".join(p.text for p in line.shortened())
            lines.append(f"{line.sign}{text}")
    return "\n".join(lines)


def _range(start: int, lines: int) -> str:
    if lines == 0:
        start -= 1
    return str(start) if lines == 1 else f"{start},{lines}"


def _replaced(old: Sequence[str], new: Sequence[str]) -> Iterator[Line]:
    """Yield replaced lines: the old ones, then the new ones, each with its changed words marked."""
    pairs = [_words(a, b) for a, b in zip_longest(old, new)]
    for before, _ in pairs:
        if before is not None:
            yield Line("-", before)
    for _, after in pairs:
        if after is not None:
            yield Line("+", after)


def _words(
    old: str | None, new: str | None
) -> tuple[tuple[Piece, ...] | None, tuple[Piece, ...] | None]:
    if old is None or new is None:
        return (
            None if old is None else (Piece(old, True),),
            None if new is None else (Piece(new, True),),
        )
    a, b = _WORDS.findall(old), _WORDS.findall(new)
    head = 0
    while head < min(len(a), len(b)) and a[head] == b[head]:
        head += 1
    tail = 0
    while tail < min(len(a), len(b)) - head and a[-1 - tail] == b[-1 - tail]:
        tail += 1
    inner_a, inner_b = a[head : len(a) - tail], b[head : len(b) - tail]
    left, right = [Piece("".join(a[:head]), False)], [Piece("".join(b[:head]), False)]
    if max(len(inner_a), len(inner_b)) > _MOST_WORDS:
        left.append(Piece("".join(inner_a), True))
        right.append(Piece("".join(inner_b), True))
    else:
        matcher = SequenceMatcher(None, inner_a, inner_b, autojunk=False)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            left.append(Piece("".join(inner_a[i1:i2]), tag != "equal"))
            right.append(Piece("".join(inner_b[j1:j2]), tag != "equal"))
    left.append(Piece("".join(a[len(a) - tail :]), False))
    right.append(Piece("".join(b[len(b) - tail :]), False))
    return _joined(left), _joined(right)


def _joined(pieces: Sequence[Piece]) -> tuple[Piece, ...]:
    """Merge pieces: drop empty ones, and count a space between two changes as changed."""
    kept: list[Piece] = []
    solid = [piece for piece in pieces if piece.text]
    for i, piece in enumerate(solid):
        between = 0 < i < len(solid) - 1 and piece.text.isspace()
        changed = piece.changed or (between and solid[i - 1].changed and solid[i + 1].changed)
        if kept and kept[-1].changed == changed:
            kept[-1] = Piece(kept[-1].text + piece.text, changed)
        else:
            kept.append(Piece(piece.text, changed))
    return tuple(kept)


def _cut(text: str, first: bool, last: bool) -> str:
    """Shorten a long equal stretch: its middle, or its outer part at either end of the line."""
    if len(text) <= _LONG:
        return text
    if first and last:
        return f"{text[: _LONG_LINE - 1]}…" if len(text) > _LONG_LINE else text
    if first:
        return f"…{text[-_KEPT:]}"
    if last:
        return f"{text[:_KEPT]}…"
    return f"{text[:_KEPT]} … {text[-_KEPT:]}"
