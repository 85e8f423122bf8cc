"""A sweep as text for a terminal, and as a picture."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.building.quotes import cells
from compiler.calibration.choice import DIGITS
from compiler.calibration.sweep import Costs, Swept
from compiler.probes.checks import CHECKS
from compiler.report.numbers import estimate, percent_estimate, score, short
from compiler.report.numbers import level as level_text
from compiler.report.plots.sweep import Series, sweep
from compiler.report.terminal import table
from compiler.spec.model import Spec
from compiler.statistics.levels import LevelStats, SweepStats


def price(costs: Costs) -> str:
    """Format the price of every level as a table."""
    rows: list[tuple[object, ...]] = []
    for level, quoted in costs.quotes.items():
        calls = sum(each.calls for each in quoted.estimates)
        rows.append((level_text(level), calls, *cells(*quoted.usd())))
    calls = sum(each.calls for quoted in costs.quotes.values() for each in quoted.estimates)
    rows.append(("all", calls, *cells(*costs.usd())))
    return table((f"level, {costs.documents} documents", "new requests", "US$", "interval"), rows)


def picture(found: SweepStats) -> str:
    """Draw the levels, in SVG."""
    levels = found.levels
    series = [
        Series("expected max", "max", [each.expected_max for each in levels]),
        Series("HARD", "hard", [each.hard for each in levels]),
        Series("EASY", "easy", [each.easy for each in levels]),
        Series("no context", "none", [each.no_context for each in levels]),
    ]
    return sweep([each.level for each in levels], series, found.chosen)


def text(spec: Spec, swept: Swept) -> str:
    """Format a finished sweep: a table, its effect, the rule and the choice."""
    found = swept.stats
    rows: list[tuple[object, ...]] = [_row(each) for each in found.levels]
    bands = spec.scoring.bands
    header = (
        *("level", "planned", "built", "scored", "mean score"),
        f"expected max of {found.rollouts}",
        *(f"HARD (max < {short(bands.hard)})", f"EASY (max >= {short(bands.easy)})", "leaking"),
        *("valley ratio", "Sarle coefficient", "no context"),
        "expected max less the level before",
    )
    rule = spec.calibration.select
    parts = [
        table(header, rows),
        f"all written scopes and both targets pooled, {swept.documents} documents, intervals "
        "clustered and differences paired by document; leaking: "
        f"not so that {CHECKS['V14'].meaning}, or {CHECKS['V28'].meaning}",
        _effect(found),
        f"the rule: {rule.measure} nearest to {rule.target}, HARD at least {rule.min_hard:.0%}, "
        f"EASY at least {rule.min_easy:.0%}, leaking at most {rule.max_leak:.0%}",
    ]
    if found.chosen is None:
        parts.append("chosen: none, as none is allowed")
    else:
        parts.append(
            f"chosen: level {level_text(found.chosen)}, the spec has "
            f"{level_text(spec.calibration.level)}; "
            f"evidence {swept.evidence[:DIGITS]}"
        )
    parts += [
        f"not allowed: level {level_text(int(level))}: {why}"
        for level, why in found.refused.items()
    ]
    return "\n\n".join([*parts[:2], "\n".join(parts[2:])])


def _row(each: LevelStats) -> tuple[object, ...]:
    return (
        level_text(each.level),
        each.planned,
        each.built,
        each.scored,
        estimate(each.mean),
        estimate(each.expected_max),
        percent_estimate(each.hard),
        percent_estimate(each.easy),
        percent_estimate(each.leak),
        estimate(each.valley),
        score(each.sarle),
        estimate(each.no_context),
        estimate(each.step),
    )


def _effect(found: SweepStats) -> str:
    span, order = estimate(found.span), score(found.order)
    said = {
        "as meant": "the levels do what they say",
        "reversed": "the levels work the wrong way round",
        "none": "no effect that these documents can show; the generator may ignore the addendum",
        "unknown": "too few documents to say whether the levels have an effect",
    }[found.effect]
    against = _listed(found.against)
    wrong = f"; a step up that makes probes easier: to {against}" if against else ""
    return (
        f"{said}: expected max of the strictest less the mildest level is {span}, rank correlation "
        f"of level and expected max {order}{wrong}"
    )


def _listed(levels: Sequence[int]) -> str:
    return ", ".join(level_text(level) for level in levels)
