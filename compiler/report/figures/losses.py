"""What was planned and what became of it."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.probes.reasons import REASONS, SKIPS
from compiler.report.figures.figure import Figure, Panel, Section, Table
from compiler.report.plots.shares import Share, shares
from compiler.report.plots.stack import Part, Stack, stack
from compiler.statistics.ledger import BuildStats
from compiler.statistics.observations import SCORED
from compiler.statistics.stats import ScopeStats, Stats

_LEGEND = (
    ("s-scored", "with blind scores"),
    ("s-local", "scored locally"),
    ("s-failed", "not scored"),
    ("s-rejected", "rejected"),
)


def section(stats: Stats) -> Section:
    """From slots to scores; of bare rows, only their statuses."""
    lead = (
        "A document has a fixed number of slots per scope. Whatever does not become a scored "
        "probe is counted here with its reason: planned = rejected + built, for every scope."
    )
    build = stats.build
    figures = [_fates(stats)]
    if build is None:
        absent = (
            "These numbers come from the rows alone, which do not say what was planned or "
            "rejected: probec report SPEC, with the spec of the build, shows that.",
        )
        return Section("losses", "From slots to scores", lead, tuple(figures), absent)
    if any(build.rejected_of(scope.scope) for scope in stats.scopes):
        figures.append(_reasons(stats, build))
    figures.append(_rounds(build))
    if build.skips:
        figures.append(_skips(build))
    return Section("losses", "From slots to scores", lead, tuple(figures))


def _fates(stats: Stats) -> Figure:
    build = stats.build
    bars = []
    for scope in stats.scopes:
        lost = sum(build.rejected_of(scope.scope).values()) if build is not None else 0
        parts = [*_built(scope.statuses), Part("s-rejected", lost, f"{lost:,} rejected")]
        total = scope.built + lost
        what = "planned" if build is not None else "rows"
        bars.append(Stack(f"{scope.scope}: {total:,} {what}", tuple(parts)))
    names = sorted({status for scope in stats.scopes for status in scope.statuses})
    rows = tuple(
        (
            scope.scope,
            *_planned(build, scope),
            *(f"{scope.statuses.get(name, 0):,}" for name in names),
            f"{scope.targets.get('prefix', 0):,}",
            f"{scope.targets.get('suffix', 0):,}",
        )
        for scope in stats.scopes
    )
    middle = ("planned", "rejected", "built") if build is not None else ("rows",)
    return Figure(
        "What became of the slots",
        "Each bar is a scope, its parts what its slots became; hover or open the numbers for "
        "counts.",
        "A scope that loses much more than the others: what is left of it is a selection. Any "
        "slots not scored: shares of HARD and EASY say nothing of them.",
        (Panel("slots by scope", stack(bars, _LEGEND, "share of the slots of a scope")),),
        Table(("scope", *middle, *names, "prefix", "suffix"), rows),
        wide=True,
    )


def _built(statuses: Mapping[str, int]) -> list[Part]:
    scored = sum(statuses.get(name, 0) for name in SCORED)
    local = statuses.get(_LOCAL, 0)
    other = sum(statuses.values()) - scored - local
    return [
        Part("s-scored", scored, f"{scored:,} with scores"),
        Part("s-local", local, f"{local:,} scored locally"),
        Part("s-failed", other, f"{other:,} not scored"),
    ]


_LOCAL = "local"


def _planned(build: BuildStats | None, scope: ScopeStats) -> tuple[str, ...]:
    if build is None:
        return (f"{scope.built:,}",)
    planned = build.planned_of(scope.scope)
    return f"{planned:,}", f"{planned - scope.built:,}", f"{scope.built:,}"


def _reasons(stats: Stats, build: BuildStats) -> Figure:
    panels, rows = [], []
    for scope in stats.scopes:
        found = sorted(build.rejected_of(scope.scope).items(), key=lambda each: (-each[1], each[0]))
        planned = build.planned_of(scope.scope)
        rows += [
            (scope.scope, reason, f"{count:,}", REASONS.get(reason, "")) for reason, count in found
        ]
        if found:
            bars = [Share(reason, count / planned, count) for reason, count in found]
            lost = sum(count for _, count in found)
            panels.append(
                Panel(
                    scope.scope,
                    shares(bars, "share of the slots planned"),
                    f"{lost:,} of {planned:,} slots",
                )
            )
    return Figure(
        "Why slots were rejected",
        "Each bar is one reason and its share of the slots that were planned for the scope.",
        "A common reason that begins with V: the generator keeps breaking that rule.",
        tuple(panels),
        Table(("scope", "reason", "slots", "meaning"), tuple(rows), 2, 1),
    )


def _rounds(build: BuildStats) -> Figure:
    rows = tuple(
        (
            f"{each.round}",
            each.scope,
            f"{each.planned:,}",
            f"{each.planned - each.built:,}",
            f"{each.built:,}",
            ", ".join(f"{name} {count:,}" for name, count in each.statuses.items()),
        )
        for each in build.ledger
    )
    return Figure(
        "The same by round",
        "One row a round and scope: planned = rejected + built, and the statuses add up to built.",
        "",
        (),
        Table(("round", "scope", "planned", "rejected", "built", "statuses"), rows, 2, 1),
    )


def _skips(build: BuildStats) -> Figure:
    rows = tuple(
        (reason, f"{count:,}", SKIPS.get(reason, "")) for reason, count in build.skips.items()
    )
    return Figure(
        "Source rows and continuations that were not used",
        "Before slots were planned: what of the source could not be read as a continuation.",
        "",
        (),
        Table(("reason", "count", "meaning"), rows, 1, 1),
    )
