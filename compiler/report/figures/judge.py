"""How far the scores themselves can be trusted."""

from __future__ import annotations

from compiler.report.card import interval, number, percent
from compiler.report.figures.figure import Figure, Panel, Section, Table
from compiler.report.plots import canvas
from compiler.report.plots.dots import Dot, Mark, dots
from compiler.report.plots.shares import Share, shares
from compiler.report.plots.stack import Part, Stack, stack
from compiler.statistics.measures.heaping import Heaping
from compiler.statistics.reliability import AgainStats, AnchorStats
from compiler.statistics.stats import Stats

# What each known answer is, and the score that it should get where that is clear.
KINDS: dict[str, tuple[str, float | None]] = {
    "gold": ("target_response", 1.0),
    "atom": ("the atom itself", 1.0),
    "alternative": ("the wrong alternative", None),
    "foreign": ("answer of another row", 0.0),
    "unknown": ("“I don't know”", 0.0),
    "echo": ("the question again", 0.0),
}
_VARIANCE = (("v-probe", "between probes"), ("v-rollout", "between answers"), ("v-judge", "judge"))


def section(stats: Stats, min_gap: float) -> Section:
    """Anchors, gaps, heaping, repeated judgements: those for which there are rows."""
    lead = (
        "A score is one model's opinion of another model's answer. Known answers tell whether the "
        "judge separates right from wrong, repeated judgements whether it agrees with itself."
    )
    judge = stats.judge
    figures, absent = [], []
    if judge.anchors:
        figures.append(_anchors(stats))
    else:
        absent.append(
            "The judge was given no known answers here: a spec asks for them under "
            "scoring.anchors, and a directory keeps them in audits.jsonl."
        )
    if judge.gaps:
        figures.append(_gaps(stats, min_gap))
    if judge.heaping.n:
        figures.append(_heaping(judge.heaping, judge.verbosity))
    else:
        absent.append("There are no blind scores, so nothing is known of the judge's habits.")
    if judge.again is not None:
        figures.append(_again(judge.again))
    else:
        absent.append(
            "No answers were judged twice (scoring.rejudge), so it is not known how far the judge "
            "agrees with itself."
        )
    return Section("judge", "The judge", lead, tuple(figures), tuple(absent))


def _anchors(stats: Stats) -> Figure:
    by_scope: dict[str, list[AnchorStats]] = {}
    for each in stats.judge.anchors:
        by_scope.setdefault(each.scope, []).append(each)
    panels = tuple(
        Panel(
            scope,
            dots(
                [Dot(each.kind, each.mean, "plain", KINDS[each.kind][1]) for each in kinds],
                "mean score of known answers",
            ),
            f"{max(each.mean.n for each in kinds):,} probes judged"
            + (f", {lost:,} verdicts were no number" if lost else ""),
        )
        for scope, kinds in by_scope.items()
        for lost in (sum(each.failed for each in kinds),)
    )
    rows = tuple(
        (
            each.scope,
            each.kind,
            KINDS[each.kind][0],
            f"{each.mean.n:,}",
            interval(each.mean),
            f"{each.failed:,}",
        )
        for each in stats.judge.anchors
    )
    return Figure(
        "Answers whose score is known",
        "Mean score of each kind of known answer; an open ring is where it should be.",
        "A correct answer far below 1: then no blind answer could score well either, and HARD "
        "tells of the judge. The alternative near 1: the judge takes wrong for right.",
        panels,
        Table(("scope", "kind", "what it is", "n", "mean", "no number"), rows, 3),
    )


def _gaps(stats: Stats, min_gap: float) -> Figure:
    gaps = stats.judge.gaps
    lowest = min((each.gap.low or each.gap.value or 0.0) for each in gaps)
    low = -1.0 if lowest < -0.2 else (-0.2 if lowest < 0 else 0.0)
    panel = Panel(
        "truth over alternative",
        dots(
            [Dot(each.scope, each.gap) for each in gaps],
            "difference of mean scores, paired by probe",
            low,
            1.0,
            (Mark(min_gap, f"threshold {min_gap:g}"),),
        ),
    )
    rows = tuple(
        (
            each.scope,
            f"{each.gap.n:,}",
            interval(each.gap),
            "-"
            if each.gap.value is None
            else ("below the threshold" if each.gap.value < min_gap else "passes"),
        )
        for each in gaps
    )
    return Figure(
        "How far the truth is above the alternative",
        "The score of target_response less that of the plausible wrong answer to the same probe.",
        f"A scope below {min_gap:g}: its scores mean little, and a build fails on it.",
        (panel,),
        Table(("scope", "n", "gap", f"threshold {min_gap:g}"), rows, 1, 1),
    )


def _heaping(found: Heaping, verbosity: float | None) -> Figure:
    top = [
        Share(f"score {heap.value:g}", heap.share)
        for heap in found.top
        if heap.value is not None and heap.share is not None
    ]
    rest = 1 - sum(each.share for each in top)
    others = found.distinct - len(top)
    if others > 0:
        top.append(Share(f"the other {others:,} values", max(0.0, rest), kind="faded"))
    rows = (
        ("scores", f"{found.n:,}"),
        ("different values", f"{found.distinct:,}"),
        ("on 0, 0.5 or 1", "-" if found.anchors is None else canvas.percent(found.anchors)),
        *((each.label, canvas.percent(each.share)) for each in top),
        ("rank correlation of a probe's mean score and answer length", number(verbosity)),
    )
    return Figure(
        "Numbers that the judge likes",
        f"The commonest of {found.distinct:,} different values among {found.n:,} blind scores.",
        "A few values that hold nearly everything: thresholds between them are then arbitrary. A "
        "strong correlation with length (in the table): long answers are paid for being long.",
        (Panel("commonest scores", shares(top, "share of blind scores, all cells")),),
        Table(("all cells, pooled", ""), rows),
    )


def _again(again: AgainStats) -> Figure:
    found, spread = again.agreement, again.variance
    measures = (
        ("ICC(1,1)", found.icc_one_way),
        ("ICC(A,1)", found.icc_absolute),
        ("weighted kappa", found.kappa),
        ("Krippendorff alpha", found.alpha),
    )
    lowest = min((each.low or each.value or 0.0) for _, each in measures)
    panels = [
        Panel(
            "agreement of single judgements",
            dots(
                [Dot(name, each) for name, each in measures],
                "agreement, 1 is perfect",
                -1.0 if lowest < 0 else 0.0,
            ),
            f"{found.items:,} answers judged {again.times} times",
        )
    ]
    sizes = (spread.probe, spread.rollout, spread.judge)
    if sum(each or 0.0 for each in sizes):
        parts = tuple(
            Part(kind, size, f"{name} {size:.4f}")
            for (kind, name), size in zip(_VARIANCE, sizes, strict=True)
            if size is not None
        )
        panels.append(
            Panel(
                "where the spread of scores comes from",
                stack([Stack("variance of a score", parts)], _VARIANCE, "share of the variance"),
                f"{spread.probes:,} probes, {spread.rollouts} answers, "
                f"{spread.judgements} judgements",
            )
        )
    rows = (
        *((name, interval(each)) for name, each in measures),
        ("mean difference of two judgements", interval(found.mean_delta)),
        ("pairs of judgements in different bands", percent(found.flips)),
        ("probes whose band changes when judged again", percent(again.flips)),
        ("variance between probes", number(spread.probe)),
        ("variance between answers", number(spread.rollout)),
        ("variance of the judge", number(spread.judge)),
        (f"reliability of the mean of {again.rollouts}", number(spread.reliability)),
        ("answers needed for 0.8", "-" if spread.needed is None else f"{spread.needed:,}"),
    )
    return Figure(
        "The same answers judged again",
        f"{again.probes:,} probes with {again.rollouts} answers each were judged {again.times} "
        "times; probes whose best score changes band: " + percent(again.flips) + ".",
        "Agreement below about 0.8, or a large share of variance from the judge: HARD and EASY "
        "then turn on the judge's mood. Perfect agreement may only say that the judge is "
        "deterministic.",
        tuple(panels),
        Table(("all cells, pooled", ""), rows),
    )
