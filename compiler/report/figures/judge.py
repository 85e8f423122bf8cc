"""Plots of the reliability of the judge."""

from __future__ import annotations

from compiler.report.figures.figure import Figure, Panel
from compiler.report.numbers import short
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.report.plots.shares import Share, shares
from compiler.report.plots.stack import Part, Stack, stack
from compiler.report.sections.judge import KINDS
from compiler.spec.scoring import Anchors
from compiler.statistics.reliability import AnchorStats
from compiler.statistics.stats import Stats

_VARIANCE = (("v-probe", "between probes"), ("v-rollout", "between rollouts"), ("v-judge", "judge"))


def anchors(stats: Stats, limits: Anchors) -> Figure:
    """Plot mean scores of known answers; an open ring marks the expected score."""
    by_scope: dict[str, list[AnchorStats]] = {}
    for each in stats.judge.anchors:
        by_scope.setdefault(each.scope, []).append(each)
    panels = []
    for scope, kinds in by_scope.items():
        lost = sum(each.failed for each in kinds)
        note = f"{max(each.mean.n for each in kinds):,} probes judged"
        note += f", {lost:,} verdicts without a score" if lost else ""
        drawn = dots(
            [Dot(each.kind, each.mean, "plain", KINDS[each.kind][1]) for each in kinds],
            "mean score of known answers",
            marks=(Mark(limits.max_wrong, f"wrong ones at most {short(limits.max_wrong)}"),),
        )
        panels.append(Panel(scope, drawn, note))
    return Figure(tuple(panels))


def gaps(stats: Stats, limits: Anchors) -> Figure:
    """Plot truth over alternative, with the threshold of a build."""
    found = stats.judge.gaps
    lowest = min((each.gap.low or each.gap.value or 0.0) for each in found)
    low = -1.0 if lowest < -0.2 else (-0.2 if lowest < 0 else 0.0)
    drawn = dots(
        [Dot(each.scope, each.gap) for each in found],
        "difference of mean scores, paired by probe",
        low,
        1.0,
        (Mark(limits.min_gap, f"threshold {short(limits.min_gap)}"),),
    )
    return Figure((Panel("truth over alternative", drawn),))


def values(stats: Stats, limits: Anchors) -> Figure:
    """Plot the shares of the values that the judge prefers."""
    found = stats.judge.heaping
    top = [
        Share(f"score {short(heap.value)}", heap.share)
        for heap in found.top
        if heap.value is not None and heap.share is not None
    ]
    others = found.distinct - len(top)
    if others > 0:
        rest = max(0.0, 1 - sum(each.share for each in top))
        top.append(Share(f"the other {others:,} values", rest, kind="faded"))
    return Figure((Panel("preferred values", shares(top, "share of blind scores, all cells")),))


def again(stats: Stats, limits: Anchors) -> Figure:
    """Plot the agreement of repeated judgements, and the components of variance."""
    again = stats.judge.again
    assert again is not None, "only statistics with this table are plotted"
    found, spread = again.agreement, again.variance
    measures = (
        ("ICC(1,1)", found.icc_one_way),
        ("ICC(A,1)", found.icc_absolute),
        ("weighted kappa", found.kappa),
        ("Krippendorff's alpha", found.alpha),
    )
    lowest = min((each.low or each.value or 0.0) for _, each in measures)
    drawn = dots(
        [Dot(name, each) for name, each in measures],
        "agreement, 1 is perfect",
        -1.0 if lowest < 0 else 0.0,
    )
    note = f"{found.items:,} answers judged {again.times} times"
    panels = [Panel("agreement of single judgements", drawn, note)]
    sizes = (spread.probe, spread.rollout, spread.judge)
    if sum(each or 0.0 for each in sizes):
        parts = tuple(
            Part(kind, size, f"{name} {size:.4f}")
            for (kind, name), size in zip(_VARIANCE, sizes, strict=True)
            if size is not None
        )
        panels.append(
            Panel(
                "components of variance",
                stack([Stack("variance of a score", parts)], _VARIANCE, "share of the variance"),
                f"{spread.probes:,} probes, {spread.rollouts} rollouts, "
                f"{spread.judgements} judgements",
            )
        )
    return Figure(tuple(panels))
