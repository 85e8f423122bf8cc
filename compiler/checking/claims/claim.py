"""One thing a card says, with the place where it says it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

Keys = tuple[tuple[str, str], ...]
ZERO = Decimal(0)


def keys(of: Mapping[str, str]) -> Keys:
    """What a claim is about, in one order: `(("round", "0"), ("scope", "word"))`."""
    return tuple(sorted(of.items()))


@dataclass(frozen=True, slots=True)
class Claim:
    """A number or a word of the card.

    `name`: what is claimed (`built`, `calls`, `hard`); `of`: about which part (scope, round, role).
    `value`: a percentage is in percent, a count in units (`1.5M` is 1500000). `slack`: how far the
    rounding of what is written can lie from the truth; 0 for an exact number. `written`: the
    characters on the card, at `line` and `column` (both from 1) of `text`, the whole line.
    `block`: the line on which its table or histogram begins, 0 in prose. `partial`: other rows of
    its column have no number, so that the column adds up to nothing known.
    """

    name: str
    value: Decimal | str
    line: int
    column: int
    text: str
    written: str
    of: Keys = ()
    slack: Decimal = ZERO
    block: int = 0
    partial: bool = False

    @property
    def number(self) -> Decimal:
        """The value of a numeric claim; TypeError for a word."""
        if isinstance(self.value, str):
            raise TypeError(f"{self.label} is no number")
        return self.value

    @property
    def is_number(self) -> bool:
        """Whether arithmetic applies to it."""
        return not isinstance(self.value, str)

    @property
    def label(self) -> str:
        """The claim in words, for a message: `built of scope=word`."""
        about = ", ".join(f"{key}={value}" for key, value in self.of)
        name = self.name.replace("_", " ")
        return f"{name} of {about}" if about else name

    def get(self, key: str) -> str | None:
        """Which scope, round or role it is about."""
        return dict(self.of).get(key)


@dataclass(frozen=True)
class Claims:
    """Everything found on a card, in the order of its text; what is absent is absent."""

    found: tuple[Claim, ...]

    def __iter__(self) -> Iterator[Claim]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    @cached_property
    def _named(self) -> dict[str, tuple[Claim, ...]]:
        named: dict[str, list[Claim]] = {}
        for claim in self.found:
            named.setdefault(claim.name, []).append(claim)
        return {name: tuple(each) for name, each in named.items()}

    def named(self, name: str) -> tuple[Claim, ...]:
        """Every claim of that name, whatever it is about."""
        return self._named.get(name, ())

    def all(self, name: str, **of: str) -> tuple[Claim, ...]:
        """Every claim of that name about exactly that."""
        wanted = keys(of)
        return tuple(claim for claim in self.named(name) if claim.of == wanted)

    def one(self, name: str, **of: str) -> Claim | None:
        """The first claim of that name about exactly that."""
        return next(iter(self.all(name, **of)), None)

    def by(self, name: str, key: str) -> dict[str, Claim]:
        """The claims of that name that differ in `key` alone, by its value; the first of each."""
        found: dict[str, Claim] = {}
        for claim in self.named(name):
            if len(claim.of) == 1 and claim.of[0][0] == key:
                found.setdefault(claim.of[0][1], claim)
        return found


@dataclass(frozen=True, slots=True)
class Amount:
    """A number derived from claims: its value, its slack, and what it was derived from."""

    value: Decimal
    slack: Decimal
    claims: tuple[Claim, ...]

    @classmethod
    def of(cls, *claims: Claim) -> Amount:
        """The sum of claims."""
        value = sum((claim.number for claim in claims), ZERO)
        return cls(value, sum((claim.slack for claim in claims), ZERO), claims)

    def agrees(self, claim: Claim) -> bool:
        """Whether a claim can be this amount, given how both are rounded."""
        return abs(self.value - claim.number) <= self.slack + claim.slack
