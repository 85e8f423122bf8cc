"""The text of a card by line and column, and the numbers in it: `590,741`, `~1227.3M`, `$0.50`."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from decimal import Decimal
from itertools import accumulate

from compiler.checking.claims.claim import ZERO, Claim, Keys
from compiler.errors import SourceError

_WORDS: Sequence[str] = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_SCALES = {"K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9}
# No digit, letter or separator on either side: part of a number is not a number.
NUMBER = (
    r"(?:[~≈]\s?)?\$?(?<![0-9A-Za-z_.,-])"
    r"-?(?:[0-9]{1,3}(?:[,\u00a0\u2009\u202f'][0-9]{3}){1,5}|[0-9]{1,15})(?:\.[0-9]{1,9})?"
    r"(?:[KkMBG]|\s?%)?(?![0-9A-Za-z])(?![.,][0-9])"
)
COUNT_WORD = rf"(?:{NUMBER}|\b(?:{'|'.join(_WORDS)})\b)"
_SEPARATORS = re.compile("[,\u00a0\u2009\u202f']")
_MARKS = re.compile(r"\*\*|`")


def parse(written: str) -> tuple[Decimal, Decimal]:
    """Return the value and the slack of a match of `NUMBER` or `COUNT_WORD`.

    A plain integer is exact. Decimals, `K`/`M`/`B`, `~` and `%` are rounded to half of the last
    digit; dollars with cents are decimals.
    """
    text = _SEPARATORS.sub("", written).strip()
    if text.casefold() in _WORDS:
        return Decimal(_WORDS.index(text.casefold())), ZERO
    digits = text.lstrip("~≈ $\u00a0").rstrip("% \u00a0")
    scale = _SCALES.get(digits[-1].upper(), 1)
    digits = digits.rstrip("KkMBG")
    rounded = text[0] in "~≈" or text[-1] == "%" or scale > 1 or "." in digits
    last = Decimal(1).scaleb(-len(digits.partition(".")[2]))
    return Decimal(digits) * scale, last * scale / 2 if rounded else ZERO


class Page:
    """A card's text with `\\n` line ends, its bold and code marks replaced by blanks."""

    def __init__(self, text: str) -> None:
        text = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        self.text = _MARKS.sub(lambda mark: " " * len(mark[0]), text)
        self.lines = self.text.split("\n")
        self._starts = [0, *accumulate(len(line) + 1 for line in self.lines)]

    def at(self, name: str, written: str, offset: int, of: Keys = ()) -> Claim:
        """Return the claim written at an offset of the text."""
        line = bisect_right(self._starts, offset)
        return self.on(name, written, line, offset - self._starts[line - 1] + 1, of)

    def on(
        self, name: str, written: str, line: int, column: int, of: Keys = (), block: int = 0
    ) -> Claim:
        """Return the claim written on a line; `column` is the place of its first character."""
        value, slack = parse(written)
        return Claim(name, value, line, column, written, of, slack, block)


def decode(data: bytes, where: str) -> str:
    """Decode the file of a card; SourceError for a binary file."""
    try:
        text = data.decode("utf-8-sig")
        if "\0" not in text:
            return text
        problem = "it holds a zero byte"
    except UnicodeDecodeError as error:
        problem = f"byte {error.start} is not UTF-8"
    hint = "give the card's README.md"
    raise SourceError(f"is not a text file: {problem}", where=where, hint=hint)
