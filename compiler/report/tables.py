"""The statistics of a dataset as tables for a terminal."""

from __future__ import annotations

from collections.abc import Callable

from compiler.probes.checks import CHECKS
from compiler.report.card import bars, interval, number, percent, percent_of, share
from compiler.report.terminal import table
from compiler.statistics.artefacts import findings
from compiler.statistics.scores import CellStats
from compiler.statistics.stats import Stats

_Row = tuple[object, ...]


def summary(stats: Stats) -> str:
    """Probes per scope with reasons, blind scores, and the histogram."""
    parts = [_scopes(stats), _reasons(stats), _scores(stats, labels=False), _histogram(stats)]
    parts += [_flags(stats), _agreement(stats)]
    return "\n\n".join(part for part in parts if part)


def everything(stats: Stats) -> str:
    """All there is: the summary with typicality, then what a close reader wants."""
    parts: list[Callable[[Stats], str]] = [
        *(_scopes, _reasons, _scores, _maxima, _histogram, _shape, _unsolved, _baselines),
        *(_distances, _anchors, _again, _flags, _agreement, _ledger, _artefacts, _findings),
    ]
    return "\n\n".join(text for part in parts if (text := part(stats)))


def _scopes(stats: Stats) -> str:
    build = stats.build
    rows: list[_Row] = []
    for scope in stats.scopes:
        planned = build.planned_of(scope.scope) if build is not None else 0
        rows.append(
            (
                scope.scope,
                *((planned,) if build is not None else ()),
                scope.built,
                *((planned - scope.built,) if build is not None else ()),
                scope.targets.get("prefix", 0),
                scope.targets.get("suffix", 0),
                scope.statuses.get("scored", 0) + scope.statuses.get("decided", 0),
            )
        )
    sums = zip(*(row[1:] for row in rows), strict=True)
    rows.append(("all", *(sum(int(str(each)) for each in column) for column in sums)))
    if build is None:
        return table(("scope", "rows", "prefix", "suffix", "scored"), rows)
    return table(("scope", "planned", "built", "rejected", "prefix", "suffix", "scored"), rows)


def _reasons(stats: Stats) -> str:
    if stats.build is None:
        return ""
    rows: list[_Row] = [
        (scope.scope, reason, count)
        for scope in stats.scopes
        for reason, count in sorted(
            stats.build.rejected_of(scope.scope).items(), key=lambda item: -item[1]
        )
    ]
    rows += [("source", reason, count) for reason, count in stats.build.skips.items()]
    return table(("rejected from", "reason", "count"), rows) if rows else ""


def _shown(stats: Stats) -> list[CellStats]:
    return [cell for cell in stats.cells if cell.rows]


def _scores(stats: Stats, labels: bool = True) -> str:
    rows: list[_Row] = [
        (
            cell.scope or "(pooled)",
            cell.target,
            *((cell.typicality,) if labels else ()),
            cell.rows,
            cell.documents,
            interval(cell.mean),
            interval(cell.top),
            percent(cell.hard),
            percent(cell.easy),
            percent(cell.leak),
        )
        for cell in _shown(stats)
        if labels or not cell.typicality
    ]
    if not rows:
        return ""
    k = len(stats.pooled.best)
    names = ("blind scores", "target", *(("typicality",) if labels else ()), "scored", "documents")
    hard, easy = f"HARD (max < {stats.hard_below})", f"EASY (max >= {stats.easy_from})"
    return table((*names, "mean", f"E[max of {k}]", hard, easy, "leaking"), rows)


def _maxima(stats: Stats) -> str:
    """How the expected maximum grows with the number of rollouts."""
    cells = [cell for cell in _shown(stats) if not cell.typicality]
    if not cells:
        return ""
    width = max(len(cell.best) for cell in cells)
    rows: list[_Row] = [
        (
            cell.scope or "(pooled)",
            cell.target,
            *(number(each.value) for each in cell.best),
            *("-" for _ in range(width - len(cell.best))),
            number(cell.std),
        )
        for cell in cells
    ]
    header = ("E[max of k]", "target", *(f"k = {k}" for k in range(1, width + 1)), "std of max")
    return table(header, rows)


def _histogram(stats: Stats) -> str:
    pooled = stats.pooled
    if not pooled.rows:
        return ""
    return f"max blind score of {pooled.rows:,} rows with scores, all cells pooled\n{bars(pooled)}"


def _baselines(stats: Stats) -> str:
    rows: list[_Row] = [
        (
            each.name,
            cell.scope or "(pooled)",
            cell.target,
            each.rows,
            each.rollouts,
            interval(each.mean),
            interval(each.gap),
        )
        for cell in _shown(stats)
        if not cell.typicality
        for each in cell.baselines
    ]
    header = ("baseline", "scope", "target", "rows", "rollouts", "mean", "less blind, paired")
    return table(header, sorted(rows, key=lambda row: str(row[0]))) if rows else ""


def _distances(stats: Stats) -> str:
    rows: list[_Row] = [
        (
            cell.scope,
            cell.target,
            f"{each.low}" if each.high == each.low else f"{each.low} to {each.high or '...'}",
            each.mean.n,
            interval(each.mean),
            interval(each.best),
        )
        for cell in _shown(stats)
        if not cell.typicality
        for each in cell.distances
    ]
    header = ("blind score by distance", "target", "units", "rows", "mean", "E[max]")
    return table(header, rows) if rows else ""


def _anchors(stats: Stats) -> str:
    rows: list[_Row] = [
        (each.scope, each.kind, each.mean.n, interval(each.mean), each.failed)
        for each in stats.judge.anchors
    ]
    if not rows:
        return ""
    gaps: list[_Row] = [(each.scope, each.gap.n, interval(each.gap)) for each in stats.judge.gaps]
    return (
        table(("judge's anchors", "answer", "judged", "mean", "no number"), rows)
        + "\n\n"
        + table(("truth over alternative", "probes", "gap"), gaps)
    )


def _shape(stats: Stats) -> str:
    """Is the best score of two kinds? Several measures; a uniform sample's are in the header."""
    rows: list[_Row] = [
        (
            cell.scope or "(pooled)",
            cell.target,
            interval(cell.shape.valley),
            number(cell.shape.sarle),
            number(cell.shape.mixture.ashman) if cell.shape.mixture is not None else "-",
            number(cell.shape.dip.statistic),
            number(cell.shape.dip.p),
        )
        for cell in _shown(stats)
        if not cell.typicality and cell.shape is not None
    ]
    header = ("two kinds of max?", "target", "valley ratio", "Sarle (uniform .556)")
    return table((*header, "Ashman D (3.03)", "dip", "p, one row a document"), rows) if rows else ""


def _unsolved(stats: Stats) -> str:
    rows: list[_Row] = [
        (
            cell.scope or "(pooled)",
            cell.target,
            cell.unsolved.rows,
            percent(cell.unsolved.fresh),
            percent(cell.unsolved.held_out),
            number(cell.unsolved.bound),
        )
        for cell in _shown(stats)
        if not cell.typicality and cell.unsolved is not None
    ]
    if not rows:
        return ""
    k = len(stats.pooled.best)
    title = f"never reached {stats.hard_below}"
    fresh = f"would in {k} new rollouts"
    return table((title, "target", "rows", fresh, "in 2 held out", "rate at most"), rows)


def _again(stats: Stats) -> str:
    judge = stats.judge
    parts = []
    if judge.heaping.n:
        top = ", ".join(f"{heap.value} ({percent_of(heap.share)})" for heap in judge.heaping.top)
        parts.append(
            f"the judge's numbers: {judge.heaping.distinct} different ones; most often {top}; "
            f"{percent_of(judge.heaping.anchors)} are 0, 0.5 or 1; rank correlation with the "
            f"length of answers {number(judge.verbosity)}"
        )
    if judge.again is not None:
        again, found = judge.again, judge.again.agreement
        rows: list[_Row] = [
            ("ICC(1,1)", interval(found.icc_one_way)),
            ("ICC(A,1)", interval(found.icc_absolute)),
            ("weighted kappa, 5 bins", interval(found.kappa)),
            ("Krippendorff's alpha", interval(found.alpha)),
            ("mean difference", interval(found.mean_delta)),
            ("probes that change band", percent(again.flips)),
            ("variance of probes", number(again.variance.probe)),
            ("... of rollouts", number(again.variance.rollout)),
            ("... of the judge", number(again.variance.judge)),
            (f"reliability of the mean of {again.rollouts}", number(again.variance.reliability)),
            ("rollouts for 0.8", again.variance.needed or "-"),
        ]
        title = f"judged {again.times} times: {again.probes} probes"
        parts.append(table((title, f"{found.items} answers"), rows))
    return "\n\n".join(parts)


def _flags(stats: Stats) -> str:
    rows: list[_Row] = [(name, n, _meaning(name)) for name, n in stats.flags.items()]
    return table(("warning", "rows", "not so"), rows) if rows else ""


def _meaning(name: str) -> str:
    return CHECKS[name].meaning if name in CHECKS else "a check of another version"


def _ledger(stats: Stats) -> str:
    """Planned, what each stage rejected, built, what scoring lost, scored: every row closes."""
    if stats.build is None:
        return ""
    ledger = stats.build.ledger
    stages = list(dict.fromkeys(stage for each in ledger for stage in each.rejected))
    known = ("local", "decided", "scored")
    failures = sorted({s for each in ledger for s in each.statuses} - set(known))
    decided = ("decided",) if any("decided" in each.statuses for each in ledger) else ()
    statuses = (*failures, "local", *decided, "scored")
    rows: list[_Row] = [
        (
            each.round,
            each.scope,
            each.planned,
            *(sum(each.rejected.get(stage, {}).values()) for stage in stages),
            each.built,
            *(each.statuses.get(status, 0) for status in statuses),
        )
        for each in ledger
    ]
    lost = [f"- {stage}" for stage in stages]
    return table(("round", "scope", "planned", *lost, "= built", *statuses), rows)


def _artefacts(stats: Stats) -> str:
    rows: list[_Row] = [
        (
            cell.scope,
            cell.target,
            cell.rows,
            share(cell.repeated, cell.questions),
            share(cell.typical, cell.typical + cell.atypical),
            interval(cell.choice.won),
            cell.choice.pairs,
            number(cell.length_ratio),
        )
        for cell in stats.artefacts
    ]
    header = ("artefacts", "target", "rows", "repeated", "typical", "told apart", "pairs", "length")
    return table(header, rows) if rows else ""


def _findings(stats: Stats) -> str:
    rows: list[_Row] = [
        (check, place, detail, CHECKS[check].meaning)
        for check, place, detail in findings(stats.artefacts)
    ]
    return table(("warning", "of", "found", "not so"), rows) if rows else ""


def _agreement(stats: Stats) -> str:
    t = stats.typicality
    total = t.both_typical + t.only_label + t.only_mechanical + t.both_atypical
    if not total:
        return ""
    return (
        f"typicality: label and sibling support agree on {t.both_typical + t.both_atypical:,} of "
        f"{total:,} suffix atoms (kappa {number(t.kappa)})"
    )
