"""Claims (the numbers that a card states), and trials of rules on them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

Keys = tuple[tuple[str, str], ...]
ZERO = Decimal(0)


def keys(of: Mapping[str, str]) -> Keys:
    """Sort the subject of a claim: `(("round", "0"), ("scope", "word"))`."""
    return tuple(sorted(of.items()))


@dataclass(frozen=True, slots=True)
class Claim:
    """A number on a card.

    `name`: the quantity (`built`, `calls`, `hard`); `of`: its subject (scope, round, role).
    `value`: a percentage is in percent, a count in units (`1.5M` is 1500000). `slack`: largest
    rounding error of the written number, 0 for an exact one. `written`: the characters at `line`
    and `column`, both from 1. `block`: the first line of its table, 0 outside of tables.
    `judged`: the scoring path in its row names a judge.
    """

    name: str
    value: Decimal
    line: int
    column: int
    written: str
    of: Keys = ()
    slack: Decimal = ZERO
    block: int = 0
    judged: bool = False

    @property
    def label(self) -> str:
        """Name the claim in a message: `built of scope=word`."""
        about = ", ".join(f"{key}={value}" for key, value in self.of)
        name = self.name.replace("_", " ")
        return f"{name} of {about}" if about else name

    def get(self, key: str) -> str:
        """Return its scope, round or role; empty where it has none."""
        return dict(self.of).get(key, "")


@dataclass(frozen=True, slots=True)
class Claims:
    """All claims of a card, in the order of its text."""

    found: tuple[Claim, ...]

    def __len__(self) -> int:
        return len(self.found)

    def named(self, name: str) -> tuple[Claim, ...]:
        """Return every claim of that name, of any subject."""
        return tuple(claim for claim in self.found if claim.name == name)

    def all(self, name: str, **of: str) -> tuple[Claim, ...]:
        """Return every claim of that name with exactly that subject."""
        return tuple(claim for claim in self.named(name) if claim.of == keys(of))

    def one(self, name: str, **of: str) -> Claim | None:
        """Return the first claim of that name with exactly that subject."""
        return next(iter(self.all(name, **of)), None)

    def by(self, name: str, key: str) -> dict[str, Claim]:
        """Return the first claim of that name for each value of `key`, its only key."""
        found: dict[str, Claim] = {}
        for claim in self.named(name):
            if [each for each, _ in claim.of] == [key]:
                found.setdefault(claim.of[0][1], claim)
        return found


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule applied to some claims.

    `out`: the claim that is compared with the others, `claims` all of them. `expected`: the value
    that would keep the rule; `how` it was computed.
    """

    claims: tuple[Claim, ...]
    holds: bool
    out: Claim
    expected: str
    how: str


@dataclass(frozen=True, slots=True)
class Amount:
    """A number derived from claims, with its slack."""

    value: Decimal
    claims: tuple[Claim, ...]
    slack: Decimal = ZERO

    @classmethod
    def of(cls, *claims: Claim) -> Amount:
        """Add claims up."""
        value = sum((claim.value for claim in claims), ZERO)
        return cls(value, claims, sum((claim.slack for claim in claims), ZERO))


def equals(out: Claim, amount: Amount, how: str) -> Trial:
    """Require `out` to be that amount, up to rounding."""
    holds = abs(out.value - amount.value) <= out.slack + amount.slack
    return Trial((out, *amount.claims), holds, out, figure(amount.value), how)


def at_most(out: Claim, limit: Amount, how: str) -> Trial:
    """Require `out` to be at most that amount, up to rounding."""
    holds = out.value <= limit.value + limit.slack + out.slack
    return Trial((out, *limit.claims), holds, out, f"at most {figure(limit.value)}", how)


def figure(value: Decimal) -> str:
    """Format a number with thousands separators and at most four decimals."""
    return f"{value:,.4f}".rstrip("0").rstrip(".")


def terms(parts: Iterable[Claim]) -> str:
    """Write a sum in the card's own figures."""
    return " + ".join(part.written for part in parts)


def columns(claims: Claims, name: str) -> list[tuple[Claim, ...]]:
    """Group the claims of a name by block and by the keys of their subjects, in card order."""
    found: dict[tuple[int, frozenset[str]], list[Claim]] = {}
    for claim in claims.named(name):
        found.setdefault((claim.block, frozenset(dict(claim.of))), []).append(claim)
    return [tuple(column) for column in found.values()]


def parts_of(column: Iterable[Claim], of: Iterable[tuple[str, str]]) -> tuple[Claim, ...]:
    """Return the claims of a column that belong to a subject."""
    return tuple(claim for claim in column if set(of) <= set(claim.of))


def amount(claims: Claims, name: str, **of: str) -> Amount | None:
    """Return the stated number of a subject, or the sum of its coarsest parts."""
    for column in sorted(columns(claims, name), key=lambda each: len(each[0].of)):
        parts = parts_of(column, keys(of))
        if parts:
            return Amount.of(*(parts[:1] if parts[0].of == keys(of) else parts))
    return None
