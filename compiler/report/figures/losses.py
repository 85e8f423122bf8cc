"""Plots of slots and of their losses."""

from __future__ import annotations

from collections.abc import Mapping

from compiler.report.figures.figure import Figure, Panel
from compiler.report.plots.shares import Share, shares
from compiler.report.plots.stack import Part, Stack, stack
from compiler.spec.scoring import Anchors
from compiler.statistics.observations import SCORED
from compiler.statistics.stats import Stats

_LEGEND = (
    ("s-scored", "with blind scores"),
    ("s-local", "scored locally"),
    ("s-failed", "not scored"),
    ("s-rejected", "rejected"),
)
_LOCAL = "local"


def fates(stats: Stats, limits: Anchors) -> Figure:
    """Plot a bar for each scope, divided by the outcomes of its slots."""
    build = stats.build
    bars = []
    for scope in stats.scopes:
        lost = sum(build.rejected_of(scope.scope).values()) if build is not None else 0
        parts = [*_built(scope.statuses), Part("s-rejected", lost, f"{lost:,} rejected")]
        unit = "planned" if build is not None else "rows"
        bars.append(Stack(f"{scope.scope}: {scope.built + lost:,} {unit}", tuple(parts)))
    drawn = stack(bars, _LEGEND, "share of the slots of a scope")
    return Figure((Panel("slots by scope", drawn),), wide=True)


def _built(statuses: Mapping[str, int]) -> list[Part]:
    scored = sum(statuses.get(name, 0) for name in SCORED)
    local = statuses.get(_LOCAL, 0)
    other = sum(statuses.values()) - scored - local
    return [
        Part("s-scored", scored, f"{scored:,} with scores"),
        Part("s-local", local, f"{local:,} scored locally"),
        Part("s-failed", other, f"{other:,} not scored"),
    ]


def reasons(stats: Stats, limits: Anchors) -> Figure:
    """Plot the shares of the planned slots by the reason of their rejection."""
    build = stats.build
    panels = []
    assert build is not None, "only statistics with this table are plotted"
    for scope in stats.scopes:
        found = sorted(build.rejected_of(scope.scope).items(), key=lambda each: (-each[1], each[0]))
        planned = build.planned_of(scope.scope)
        if found:
            bars = [Share(reason, count / planned, count) for reason, count in found]
            lost = sum(count for _, count in found)
            drawn = shares(bars, "share of the planned slots")
            panels.append(Panel(scope.scope, drawn, f"{lost:,} of {planned:,} slots"))
    return Figure(tuple(panels))
