"""Reliability of the judge: known answers, preferred values, and repeated judgements."""

from __future__ import annotations

from compiler.report import numbers
from compiler.report.tree import ALL, Section, Table, count, estimate, rows, value, word
from compiler.spec.scoring import Anchors
from compiler.statistics.stats import Stats

# Each kind of known answer, and its expected score where that is clear.
KINDS: dict[str, tuple[str, float | None]] = {
    "gold": ("target_response", 1.0),
    "atom": ("the atom itself", 1.0),
    "alternative": ("the incorrect plausible answer", None),
    "foreign": ("an answer to another row's question", 0.0),
    "unknown": ("“I don't know”", 0.0),
    "echo": ("the question itself", 0.0),
}
_LEAD = (
    "A score is one model's opinion of another model's answer. Known answers show whether the "
    "judge separates right from wrong, repeated judgements whether it agrees with itself."
)
_NO_ANCHORS = "The judge was given no known answers: declare some under scoring.anchors."
_NO_SCORES = "There are no blind scores."
_NOT_AGAIN = "No answers were judged twice (scoring.rejudge)."


def section(stats: Stats, limits: Anchors | None) -> Section:
    """Make the section; absent tables leave a note."""
    found = (
        (anchors(stats, limits), _NO_ANCHORS),
        (gaps(stats, limits), ""),
        (values(stats), _NO_SCORES),
        (again(stats), _NOT_AGAIN),
    )
    return Section(
        "judge",
        "The judge",
        _LEAD,
        tuple(table for table, _ in found if table is not None),
        tuple(absent for table, absent in found if table is None and absent),
    )


def anchors(stats: Stats, limits: Anchors | None) -> Table | None:
    """Tabulate mean scores of answers whose correct score is known."""
    if not stats.judge.anchors:
        return None
    limit = "" if limits is None else f"; a build fails above {numbers.short(limits.max_wrong)}"
    return Table(
        "anchors",
        "Anchors",
        "mean score of answers whose correct score is known; foreign, unknown and echo are wrong"
        f"{limit}",
        (
            word("scope"),
            word("answer"),
            word("text"),
            count("judged"),
            estimate("mean score"),
            count("without a score"),
        ),
        rows(
            (each.scope, each.kind, KINDS[each.kind][0], each.mean.n, each.mean, each.failed)
            for each in stats.judge.anchors
        ),
        "A correct answer far below 1: no blind answer could score well either. An alternative "
        "near 1, or another wrong answer above 0: the judge accepts wrong answers.",
    )


def gaps(stats: Stats, limits: Anchors | None) -> Table | None:
    """Tabulate the score of the truth less that of the alternative."""
    if not stats.judge.gaps:
        return None
    limit = "" if limits is None else f"; a build fails below {numbers.short(limits.min_gap)}"
    return Table(
        "gaps",
        "Truth over alternative",
        f"score of target_response less that of the alternative, paired by probe{limit}",
        (word("scope"), count("probes"), estimate("difference")),
        rows((each.scope, each.gap.n, each.gap) for each in stats.judge.gaps),
        "A small difference: the scores of the scope are unreliable.",
    )


def values(stats: Stats) -> Table | None:
    """Tabulate the values that the judge prefers."""
    found, verbosity = stats.judge.heaping, stats.judge.verbosity
    if not found.n:
        return None
    return Table(
        "values",
        "Preferred values",
        "blind scores of all cells",
        (word("measure"), value(ALL)),
        rows(
            [
                ("scores", found.n),
                ("distinct values", found.distinct),
                ("share of 0, 0.5 and 1", numbers.percent(found.anchors)),
                *(
                    (f"share of {numbers.short(each.value or 0.0)}", numbers.percent(each.share))
                    for each in found.top
                ),
                ("rank correlation of mean score and answer length", verbosity),
            ]
        ),
        "Nearly all scores on a few values: thresholds between them are arbitrary. A strong "
        "correlation with length: the judge rewards long answers.",
    )


def again(stats: Stats) -> Table | None:
    """Tabulate the agreement of repeated judgements, and the components of variance."""
    again = stats.judge.again
    if again is None:
        return None
    found, spread = again.agreement, again.variance
    return Table(
        "again",
        "Repeated judgements",
        f"{found.items:,} answers to {again.probes:,} probes of all cells judged {again.times} "
        "times",
        (word("measure"), value(ALL)),
        rows(
            [
                ("ICC(1,1)", found.icc_one_way),
                ("ICC(A,1)", found.icc_absolute),
                ("quadratic-weighted kappa, 5 bins", found.kappa),
                ("Krippendorff's alpha", found.alpha),
                ("mean difference", found.mean_delta),
                ("pairs in different bands", numbers.percent_estimate(found.flips)),
                ("probes whose band changes", numbers.percent_estimate(again.flips)),
                ("variance between probes", spread.probe),
                ("variance between rollouts", spread.rollout),
                ("variance of the judge", spread.judge),
                (f"reliability of the mean of {again.rollouts}", spread.reliability),
                ("rollouts for a reliability of 0.8", spread.needed),
            ]
        ),
        "Agreement below about 0.8, or a large variance of the judge: HARD and EASY then depend "
        "on the judgement. Perfect agreement may only mean that the judge is deterministic.",
    )
