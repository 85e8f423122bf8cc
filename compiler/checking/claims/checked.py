"""The rules between the claims of a card, and the result of applying them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

from compiler.checking.claims import counts, scores, sentences, tables
from compiler.checking.claims.claim import Claim, Claims, Trial
from compiler.checking.claims.page import Page
from compiler.keys import Json

Severity = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """A rule between claims.

    `apply` yields a trial for every set of claims that the rule concerns. `error`: claims that
    cannot all be true. `warning`: a claim without an explanation on the card.
    """

    meaning: str
    apply: Callable[[Claims], Iterable[Trial]]
    severity: Severity = "error"


# Ids of removed rules are not reused.
RULES: dict[str, Rule] = {
    "C01": Rule("the scopes add up to the total", counts.scopes_make_the_total),
    "C02": Rule("a slot yields at most one probe per document", counts.slots_bound_probes),
    "C03": Rule("slots without a probe have a reason", counts.a_shortfall_has_reasons, "warning"),
    "C04": Rule(
        "the scored are some of the built; scored and unscored probes make up a scope",
        scores.scored_are_some_of_the_built,
    ),
    "C05": Rule("unscored probes are counted", scores.the_unscored_are_counted, "warning"),
    "C06": Rule("the histogram has every scored probe once", scores.bins_make_the_scored),
    "C07": Rule(
        "percentages of the histogram are of the scored probes", scores.shares_are_of_the_scored
    ),
    "C08": Rule("HARD and EASY are sums of bins", scores.bands_are_sums_of_bins),
    "C09": Rule("mean and SD are possible, given the bins", scores.the_mean_fits_the_bins),
    "C10": Rule("calls are rollouts x scored probes", counts.calls_are_products),
    "C12": Rule("dollars are tokens x prices", counts.dollars_are_tokens_times_prices),
    "C13": Rule("the batches have room for the calls", counts.batches_hold_the_calls),
    "C15": Rule("typical requires no more siblings than are shown", counts.typical_can_be_seen),
    "C28": Rule("repeated facts agree", counts.repeated_facts_agree),
    "C32": Rule("parts add up to the whole in every table", counts.parts_make_the_whole),
}


@dataclass(frozen=True, slots=True)
class Contradiction:
    """A violation. `suspects`: its claims, the most suspect first."""

    name: str
    rule: Rule
    trial: Trial
    suspects: tuple[Claim, ...]

    def __str__(self) -> str:
        out = self.trial.out
        return (
            f"{self.name} {self.rule.severity}, line {out.line}: {out.label} is {out.written}, "
            f"expected {self.trial.expected} ({self.trial.how})"
        )


@dataclass(frozen=True, slots=True)
class Suspect:
    """A claim in violated rules. `failing`, `holding`: number of its trials, errors only."""

    claim: Claim
    rules: tuple[str, ...]
    failing: int
    holding: int


@dataclass(frozen=True, slots=True)
class Checked:
    """Result of a check. `applied`: rule -> number of its trials."""

    contradictions: tuple[Contradiction, ...]
    suspects: tuple[Suspect, ...]
    applied: dict[str, int]
    claims: Claims

    @property
    def errors(self) -> int:
        """Count the contradictions that are not warnings."""
        return sum(each.rule.severity == "error" for each in self.contradictions)

    @property
    def not_applied(self) -> tuple[str, ...]:
        """List the rules whose claims the card lacks."""
        return tuple(name for name in RULES if name not in self.applied)


def read(text: str) -> Claims:
    """Read all claims of a text, in its order; a number is read once for each name."""
    page = Page(text)
    found = {(c.line, c.column, c.name): c for c in (*tables.read(page), *sentences.read(page))}
    return Claims(tuple(found[place] for place in sorted(found)))


def check(text: str) -> Checked:
    """Read a card and apply every rule to its claims; accepts any text."""
    claims = read(text)
    trials = [(name, trial) for name, rule in RULES.items() for trial in rule.apply(claims)]
    suspects = _suspects([(n, t) for n, t in trials if RULES[n].severity == "error"])
    rank = {suspect.claim: place for place, suspect in enumerate(suspects)}
    contradictions = tuple(
        Contradiction(
            name,
            RULES[name],
            trial,
            tuple(sorted(dict.fromkeys(trial.claims), key=lambda c: rank.get(c, len(rank)))),
        )
        for name, trial in trials
        if not trial.holds
    )
    return Checked(contradictions, suspects, dict(Counter(name for name, _ in trials)), claims)


def _suspects(trials: list[tuple[str, Trial]]) -> tuple[Suspect, ...]:
    """Sort the claims of violated rules, the most suspect first.

    One wrong number violates every equation that it stands in and no other: the claim in most
    failing trials comes first, and among those the one in the fewest that hold.
    """
    failing: dict[Claim, list[str]] = defaultdict(list)
    holding: Counter[Claim] = Counter()
    for name, trial in trials:
        for claim in dict.fromkeys(trial.claims):
            if trial.holds:
                holding[claim] += 1
            else:
                failing[claim].append(name)
    suspects = [
        Suspect(claim, tuple(sorted(set(rules))), len(rules), holding[claim])
        for claim, rules in failing.items()
    ]
    return tuple(
        sorted(suspects, key=lambda s: (-s.failing, s.holding, s.claim.line, s.claim.column))
    )


def data(checked: Checked) -> Json:
    """Return the result as JSON."""
    return {
        "claims": len(checked.claims),
        "errors": checked.errors,
        "warnings": len(checked.contradictions) - checked.errors,
        "contradictions": [
            {
                "rule": each.name,
                "severity": each.rule.severity,
                "meaning": each.rule.meaning,
                "line": each.trial.out.line,
                "column": each.trial.out.column,
                "claim": each.trial.out.label,
                "claimed": each.trial.out.written,
                "expected": each.trial.expected,
                "how": each.trial.how,
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
