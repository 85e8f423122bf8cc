"""The text of a card with its places: lines, offsets, and what is marked up."""

from __future__ import annotations

import re
from bisect import bisect_right
from functools import cached_property

from compiler.checking.claims.claim import ZERO, Claim, Keys
from compiler.checking.claims.number import parse
from compiler.errors import SourceError

_MARKS = re.compile(r"\*\*|`")


class Page:
    """A card's text with `\\n` line ends; offsets count its characters."""

    def __init__(self, text: str) -> None:
        self.text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.lines = self.text.split("\n")

    @cached_property
    def prose(self) -> str:
        """The same text, character for character, with bold and code marks blanked."""
        return _MARKS.sub(lambda mark: " " * len(mark[0]), self.text)

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        for line in self.lines[:-1]:
            starts.append(starts[-1] + len(line) + 1)
        return starts

    def place(self, offset: int) -> tuple[int, int]:
        """Line and column, both from 1."""
        line = bisect_right(self._starts, offset)
        return line, offset - self._starts[line - 1] + 1

    def number(self, name: str, written: str, offset: int, of: Keys = (), block: int = 0) -> Claim:
        """A numeric claim at an offset."""
        line, column = self.place(offset)
        return self.number_at(name, written, line, column, of, block)

    def number_at(
        self, name: str, written: str, line: int, column: int, of: Keys = (), block: int = 0
    ) -> Claim:
        """A numeric claim on a line; `column` is where `written` begins."""
        quantity = parse(written)
        text = self.lines[line - 1]
        return Claim(name, quantity.value, line, column, text, written, of, quantity.slack, block)

    def word(self, name: str, value: str, line: int, column: int, of: Keys = ()) -> Claim:
        """A claim that is a word or a sentence."""
        return Claim(name, value, line, column, self.lines[line - 1], value, of, ZERO)


def decode(data: bytes, where: str) -> str:
    """The text of a card's file; SourceError when the file is no text."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise SourceError(
            f"is no text: byte {error.start} is not UTF-8",
            where=where,
            hint="give the card's README.md",
        ) from error
    if "\0" in text:
        raise SourceError(
            "is no text: it holds a zero byte", where=where, hint="give the card's README.md"
        )
    return text
