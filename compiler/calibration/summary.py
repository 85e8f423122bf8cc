"""A calibration sweep as text for a terminal, and as a plot."""

from __future__ import annotations

from collections.abc import Sequence

from compiler.calibration.choice import DIGITS
from compiler.calibration.sweep import Costs, Swept
from compiler.embedded import MACHINERY
from compiler.pricing.quotes import cells
from compiler.probes.checks import CHECKS
from compiler.report.numbers import estimate, percent_estimate, score, short, short_percent
from compiler.report.numbers import level as level_text
from compiler.report.plots.sweep import Measures, Series, sweep
from compiler.report.screen import PLAIN, Screen
from compiler.report.sections.cells import CHANGES
from compiler.report.sections.scores import ONCE
from compiler.report.terminal import table
from compiler.spec.model import Spec
from compiler.stages.context import scored_by_embedded
from compiler.statistics.levels import LevelStats, SweepStats


def price(costs: Costs, screen: Screen = PLAIN) -> str:
    """Format the price of every level as a table."""
    rows: list[tuple[object, ...]] = []
    for level, quoted in costs.quotes.items():
        calls = sum(each.calls for each in quoted.estimates)
        rows.append((level_text(level), calls, *cells(*quoted.usd())))
    calls = sum(each.calls for quoted in costs.quotes.values() for each in quoted.estimates)
    rows.append(("all", calls, *cells(*costs.usd())))
    header = (f"level, {costs.documents} documents", "new requests", "US$", "interval")
    return table(header, rows, screen)


def picture(name: str, spec: Spec, swept: Swept) -> str:
    """Plot the levels of a dataset, its name above them, as SVG."""
    found, rule, bands = swept.stats, spec.calibration.select, spec.scoring.bands
    levels = found.levels
    measure = _measure(spec, found)
    points = [each.mean if rule.measure == "mean" else each.expected_max for each in levels]
    scores = [Series(f"{measure}; dashed: target {short(rule.target)}", "max", points, rule.target)]
    if any(each.no_context is not None for each in levels):
        scores.append(
            Series("no context, mean score", "none", [each.no_context for each in levels])
        )
    shares = (
        Series(
            f"HARD (max < {short(bands.hard)}); dashed: at least {rule.min_hard:.0%}",
            "hard",
            [each.hard for each in levels],
            rule.min_hard,
        ),
        Series(
            f"EASY (max >= {short(bands.easy)}); dashed: at least {rule.min_easy:.0%}",
            "easy",
            [each.easy for each in levels],
            rule.min_easy,
        ),
        Series(
            f"leaking; dashed: at most {rule.max_leak:.0%}",
            "leak",
            [each.leak for each in levels],
            rule.max_leak,
        ),
    )
    chosen = "none, no level satisfies the rule"
    if found.chosen is not None:
        chosen = f"level {level_text(found.chosen)}, nearest to the target"
    title = [
        f"Calibration of {name}",
        f"chosen: {chosen}",
        f"{swept.documents} documents, written scopes, 95% intervals",
    ]
    if scored_by_embedded(spec):
        title.append("scores simulated by the embedded model")
    plots = (
        Measures("score, from 0 to 1", short, tuple(scores)),
        Measures("share of probes, in percent", short_percent, shares),
    )
    refused = [int(level) for level in found.refused]
    return sweep(title, [each.level for each in levels], plots, found.chosen, refused)


def _measure(spec: Spec, found: SweepStats) -> str:
    """Name the measure of the selection rule."""
    mean = spec.calibration.select.measure == "mean"
    return "mean score" if mean else f"expected max of {found.rollouts}"


def text(spec: Spec, swept: Swept, screen: Screen = PLAIN) -> str:
    """Format a finished sweep: a table, the effect of levels, the rule and the choice."""
    found = swept.stats
    noise = any(each.changes is not None for each in found.levels)
    rows: list[tuple[object, ...]] = [_row(each, noise=noise) for each in found.levels]
    bands = spec.scoring.bands
    header = (
        *("level", "planned", "built", "scored", "mean score"),
        f"expected max of {found.rollouts}",
        *(f"HARD (max < {short(bands.hard)})", f"EASY (max >= {short(bands.easy)})"),
        *((CHANGES,) if noise else ()),
        *("leaking", "valley ratio", "Sarle coefficient", "no context"),
        "expected max - previous level",
    )
    rule = spec.calibration.select
    parts = [
        table(header, rows, screen),
        f"all written scopes and both targets pooled, {swept.documents} documents, intervals "
        "clustered and differences paired by document; leaking: breaks one of the rules V14 "
        f"({CHECKS['V14'].meaning}) and V28 ({CHECKS['V28'].meaning})"
        f"{f'; {MACHINERY}' if scored_by_embedded(spec) else ''}",
        *(() if noise else (ONCE,)),
        _effect(found),
        f"selection rule: {_measure(spec, found)} nearest to {rule.target}, HARD at least "
        f"{rule.min_hard:.0%}, EASY at least {rule.min_easy:.0%}, leaking at most "
        f"{rule.max_leak:.0%}",
    ]
    if found.chosen is None:
        parts.append("chosen: none, because no level satisfies the rule")
    else:
        parts.append(
            f"chosen: level {level_text(found.chosen)} (level of the spec: "
            f"{level_text(spec.calibration.level)}); "
            f"evidence {swept.evidence[:DIGITS]}"
        )
    parts += [
        f"excluded: level {level_text(int(level))}: {why}" for level, why in found.refused.items()
    ]
    lines = [*map(screen.wrapped, parts[1:])]
    return "\n\n".join([parts[0], lines[0], "\n".join(lines[1:])])


def _row(each: LevelStats, *, noise: bool) -> tuple[object, ...]:
    return (
        level_text(each.level),
        each.planned,
        each.built,
        each.scored,
        estimate(each.mean),
        estimate(each.expected_max),
        percent_estimate(each.hard),
        percent_estimate(each.easy),
        *((percent_estimate(each.changes),) if noise else ()),
        percent_estimate(each.leak),
        estimate(each.valley),
        score(each.sarle),
        estimate(each.no_context),
        estimate(each.step),
    )


def _effect(found: SweepStats) -> str:
    span, order = estimate(found.span), score(found.order)
    effect = {
        "as meant": "stricter levels make probes harder, as intended",
        "reversed": "stricter levels make probes easier",
        "none": "no effect detected; the generator may ignore the addendum",
        "unknown": "too few documents to tell if the levels have an effect",
    }[found.effect]
    against = _listed(found.against)
    wrong = f"; stricter but easier than the previous level: {against}" if against else ""
    return (
        f"{effect}: expected max of the strictest minus the mildest level is {span}, rank "
        f"correlation of level and expected max {order}{wrong}"
    )


def _listed(levels: Sequence[int]) -> str:
    return ", ".join(level_text(level) for level in levels)
