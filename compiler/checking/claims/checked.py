"""A card checked against itself: what cannot hold, what was tried, and which number to blame."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from compiler.checking.claims.claim import Claim, Claims
from compiler.checking.claims.reading import read
from compiler.checking.claims.rule import Severity, Trial
from compiler.checking.claims.rules import RULES
from compiler.keys import Json


@dataclass(frozen=True, slots=True)
class Contradiction:
    """Claims that do not hold together. `suspects`: all that take part, the likeliest first."""

    rule: str
    meaning: str
    severity: Severity
    out: Claim
    claimed: str
    expected: str
    how: str
    suspects: tuple[Claim, ...]

    def __str__(self) -> str:
        return (
            f"{self.rule} {self.severity}, line {self.out.line}: {self.out.label} is "
            f"{self.claimed}, expected {self.expected} ({self.how})"
        )


@dataclass(frozen=True, slots=True)
class Suspect:
    """A claim that takes part in failing errors: in how many, and in how many trials that hold."""

    claim: Claim
    rules: tuple[str, ...]
    failing: int
    holding: int


@dataclass(frozen=True)
class Checked:
    """`applied`: rule -> how often it could be tried; the others say nothing about this card."""

    contradictions: tuple[Contradiction, ...]
    suspects: tuple[Suspect, ...]
    applied: dict[str, int]
    claims: Claims

    @property
    def errors(self) -> int:
        """Contradictions that cannot hold, as opposed to what is not explained."""
        return sum(each.severity == "error" for each in self.contradictions)

    @property
    def not_applied(self) -> tuple[str, ...]:
        """Rules for which the card claims too little."""
        return tuple(rule for rule in RULES if rule not in self.applied)


def check(text: str) -> Checked:
    """Read a card and try every rule on its claims; never raises, whatever the text."""
    claims = read(text)
    trials = [(name, trial) for name, rule in RULES.items() for trial in rule.apply(claims)]
    applied: dict[str, int] = defaultdict(int)
    for name, _ in trials:
        applied[name] += 1
    suspects = _blame([(n, t) for n, t in trials if RULES[n].severity == "error"])
    rank = {suspect.claim: place for place, suspect in enumerate(suspects)}
    contradictions = tuple(
        Contradiction(
            name,
            RULES[name].meaning,
            RULES[name].severity,
            trial.out,
            trial.claimed,
            trial.expected,
            trial.how,
            tuple(sorted(dict.fromkeys(trial.claims), key=lambda c: rank.get(c, len(rank)))),
        )
        for name, trial in trials
        if not trial.holds
    )
    return Checked(contradictions, suspects, dict(applied), claims)


def _blame(trials: list[tuple[str, Trial]]) -> tuple[Suspect, ...]:
    """The numbers of failing trials, the likeliest culprit first.

    One wrong number makes every equation fail that it stands in and no other: the claim in most
    failing trials comes first, and among those the one in the fewest that hold.
    """
    failing: dict[Claim, list[str]] = defaultdict(list)
    holding: dict[Claim, int] = defaultdict(int)
    for name, trial in trials:
        for claim in dict.fromkeys(trial.claims):
            if trial.holds:
                holding[claim] += 1
            else:
                failing[claim].append(name)
    suspects = [
        Suspect(claim, tuple(sorted(set(rules))), len(rules), holding[claim])
        for claim, rules in failing.items()
        if claim.is_number
    ]
    return tuple(
        sorted(suspects, key=lambda s: (-s.failing, s.holding, s.claim.line, s.claim.column))
    )


def data(checked: Checked) -> Json:
    """The result for machines."""
    return {
        "claims": len(checked.claims),
        "errors": checked.errors,
        "warnings": len(checked.contradictions) - checked.errors,
        "contradictions": [
            {
                "rule": each.rule,
                "severity": each.severity,
                "meaning": each.meaning,
                "line": each.out.line,
                "column": each.out.column,
                "claim": each.out.label,
                "claimed": each.claimed,
                "expected": each.expected,
                "how": each.how,
                "suspects": [_place(claim) for claim in each.suspects],
            }
            for each in checked.contradictions
        ],
        "suspects": [
            {**_place(each.claim), "rules": [*each.rules], "holding": each.holding}
            for each in checked.suspects
        ],
        "applied": {name: checked.applied[name] for name in RULES if name in checked.applied},
        "not_applied": [*checked.not_applied],
    }


def _place(claim: Claim) -> dict[str, Json]:
    return {
        "claim": claim.label,
        "line": claim.line,
        "column": claim.column,
        "written": claim.written,
    }
