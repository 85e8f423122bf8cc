"""The terminal that a text is formatted for: its width and its colours."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

# The width of running text where no terminal limits it.
TEXT_WIDTH = 100
_CODES = {
    "bold": "1",
    "dim": "2",
    "red": "31",
    "green": "32",
    "yellow": "33",
    "magenta": "35",
    "atom": "1;4;33",
}


@dataclass(frozen=True)
class Screen:
    """A terminal. `width`: its columns; None for a file or a pipe, whose lines have no limit."""

    width: int | None = None
    colour: bool = False

    @property
    def text_width(self) -> int:
        """The width of running text."""
        return min(self.width or TEXT_WIDTH, TEXT_WIDTH)

    def wrapped(self, text: str) -> str:
        """Return a paragraph in lines of the terminal's width; in one line elsewhere."""
        return text if self.width is None else textwrap.fill(text, self.text_width)

    def paint(self, text: str, style: str) -> str:
        """Return `text` in a style, plain where there are no colours."""
        return f"\x1b[{_CODES[style]}m{text}\x1b[0m" if self.colour and text else text


PLAIN = Screen()
