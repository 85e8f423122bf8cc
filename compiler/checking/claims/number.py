"""Numbers as people write them on cards: `590,741`, `~1227.3M`, `$0.50`, `41.8%`, `five`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal

_WORDS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen "
    "sixteen seventeen eighteen nineteen twenty"
).split()
_SCALES = {"K": 10**3, "M": 10**6, "B": 10**9, "G": 10**9}
# No digit, letter or separator may stand on either side: half of a number is no number.
NUMBER = (
    r"(?:[~≈]\s?)?\$?(?<![0-9A-Za-z_.,-])"
    r"-?(?:[0-9]{1,3}(?:[,\u00a0\u2009\u202f'][0-9]{3}){1,5}|[0-9]{1,15})(?:\.[0-9]{1,9})?"
    r"(?:[KkMBG]|\s?%)?(?![0-9A-Za-z])(?![.,][0-9])"
)
COUNT_WORD = rf"(?:{NUMBER}|\b(?:{'|'.join(_WORDS)})\b)"
_LEADING = re.compile(rf"\s*({NUMBER})(?=$|[\s(\[±|])")
_SEPARATORS = re.compile("[,\u00a0\u2009\u202f']")


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with how far its rounding can lie from the truth, and whether it is a percentage."""

    value: Decimal
    slack: Decimal
    percent: bool


def parse(written: str) -> Quantity:
    """Read what `NUMBER` or `COUNT_WORD` has matched.

    A plain integer is exact. Decimals, `K`/`M`/`B`, `~` and `%` are rounded: half of the last
    digit shown. Dollars to the cent are rounded to the cent.
    """
    text = _SEPARATORS.sub("", written).strip()
    if text.casefold() in _WORDS:
        return Quantity(Decimal(_WORDS.index(text.casefold())), Decimal(0), False)
    rounded = text[0] in "~≈"
    text = text.lstrip("~≈ $\u00a0")
    percent = text.endswith("%")
    text = text.rstrip("% \u00a0")
    scale = _SCALES.get(text[-1].upper(), 1)
    digits = text.rstrip("KkMBG")
    rounded = rounded or percent or scale > 1 or "." in digits
    last = Decimal(1).scaleb(-len(digits.partition(".")[2]))
    return Quantity(Decimal(digits) * scale, last * scale / 2 if rounded else Decimal(0), percent)


def leading(cell: str) -> tuple[str, int] | None:
    """The number that a table cell begins with and its place in the cell; None for a cell of words.

    `0.16 [0.14, 0.18]` begins with 0.16; `3 rounds of 5` is a number too, `gpt-3` is none.
    """
    found = _LEADING.match(cell.replace("*", " ").replace("`", " "))
    return (found[1], found.start(1)) if found else None
