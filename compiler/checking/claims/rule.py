"""A rule between claims, and one trial of it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

from compiler.checking.claims.claim import Amount, Claim, Claims

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule applied to some claims of a card.

    `claims`: all that take part. `out`: the claim that is compared with the others. `claimed` and
    `expected`: what it says and what it would have to say; `how` that was computed.
    """

    claims: tuple[Claim, ...]
    holds: bool
    out: Claim
    claimed: str
    expected: str
    how: str


@dataclass(frozen=True, slots=True)
class Rule:
    """`error`: claims that cannot all be true. `warning`: a claim that the card does not explain.

    `apply` yields a trial for every set of claims that the rule can be applied to, none where they
    are absent.
    """

    meaning: str
    severity: Severity
    apply: Callable[[Claims], Iterable[Trial]]


def equals(out: Claim, amount: Amount, how: str) -> Trial:
    """`out` must be that amount, up to rounding."""
    return Trial(
        (out, *amount.claims), amount.agrees(out), out, out.written, figure(amount.value), how
    )


def at_most(out: Claim, limit: Amount, how: str) -> Trial:
    """`out` must not be more than that amount, up to rounding."""
    holds = out.number <= limit.value + limit.slack + out.slack
    expected = f"at most {figure(limit.value)}"
    return Trial((out, *limit.claims), holds, out, out.written, expected, how)


def said(out: Claim, holds: bool, expected: str, how: str, *others: Claim) -> Trial:
    """A claim in words against other claims."""
    return Trial((out, *others), holds, out, str(out.value), expected, how)


def figure(value: Decimal) -> str:
    """A number for people: thousands apart, at most four decimals."""
    text = f"{value:,.4f}"
    return text.rstrip("0").rstrip(".")


def terms(parts: Iterable[Claim], sign: str = " + ") -> str:
    """The parts of a sum as written on the card."""
    return sign.join(part.written for part in parts)
