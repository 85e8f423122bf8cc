"""The statistics of a dataset as tables for a terminal."""

from __future__ import annotations

from compiler.commands.result import table
from compiler.dataset.artefacts import findings
from compiler.dataset.card import bars, number, share
from compiler.dataset.stats import Stats
from compiler.probes.checks import CHECKS


def summary(stats: Stats) -> str:
    """Probes per scope with reasons, blind scores, and the histogram."""
    parts = [_scopes(stats), _reasons(stats)]
    if stats.pooled.scored:
        parts += [_scores(stats), _histogram(stats)]
    parts += [_flags(stats), _agreement(stats)]
    return "\n\n".join(part for part in parts if part)


def everything(stats: Stats) -> str:
    """The summary, then the ledger by round and scope, then what only all rows together show."""
    parts = [summary(stats), _ledger(stats), _artefacts(stats), _findings(stats)]
    return "\n\n".join(part for part in parts if part)


def _scopes(stats: Stats) -> str:
    rows: list[tuple[object, ...]] = [
        (
            scope.scope,
            scope.planned,
            scope.built,
            scope.planned - scope.built,
            scope.targets.get("prefix", 0),
            scope.targets.get("suffix", 0),
            scope.statuses.get("scored", 0),
        )
        for scope in stats.scopes
    ]
    rows.append(
        (
            "all",
            stats.planned,
            stats.probes,
            stats.planned - stats.probes,
            *(sum(s.targets.get(t, 0) for s in stats.scopes) for t in ("prefix", "suffix")),
            stats.pooled.scored,
        )
    )
    return table(("scope", "planned", "built", "rejected", "prefix", "suffix", "scored"), rows)


def _reasons(stats: Stats) -> str:
    rows = [
        (scope.scope, reason, count)
        for scope in stats.scopes
        for reason, count in sorted(scope.rejected.items(), key=lambda item: -item[1])
    ]
    rows += [("source", reason, count) for reason, count in stats.skips.items()]
    return table(("rejected from", "reason", "count"), rows) if rows else ""


def _scores(stats: Stats) -> str:
    rows = [
        (
            cell.scope,
            cell.target,
            cell.scored,
            number(cell.mean),
            share(cell.hard, cell.scored),
            share(cell.easy, cell.scored),
        )
        for cell in stats.scores
        if cell.scored
    ]
    return table(("blind max score", "target", "scored", "mean", "HARD", "EASY"), rows)


def _histogram(stats: Stats) -> str:
    pooled = stats.pooled
    return (
        f"max blind score of {pooled.scored:,} scored probes\n{bars(pooled)}\n"
        f"mean {number(pooled.mean)}, std {number(pooled.std)}, "
        f"HARD (below {stats.hard_below}) {share(pooled.hard, pooled.scored)}, "
        f"EASY (at least {stats.easy_from}) {share(pooled.easy, pooled.scored)}"
    )


def _flags(stats: Stats) -> str:
    rows = [(name, count, CHECKS[name].meaning) for name, count in stats.flags.items()]
    return table(("warning", "rows", "not so"), rows) if rows else ""


def _ledger(stats: Stats) -> str:
    """Planned, what each stage rejected, built, what scoring lost, scored: every row closes."""
    stages = list(dict.fromkeys(stage for each in stats.ledger for stage in each.rejected))
    failures = sorted({s for each in stats.ledger for s in each.statuses if s.endswith("_failed")})
    rows = [
        (
            each.round,
            each.scope,
            each.planned,
            *(sum(each.rejected.get(stage, {}).values()) for stage in stages),
            each.built,
            *(each.statuses.get(status, 0) for status in failures),
            each.statuses.get("local", 0),
            each.statuses.get("scored", 0),
        )
        for each in stats.ledger
    ]
    lost = [f"- {stage}" for stage in stages]
    header = ("round", "scope", "planned", *lost, "= built", *failures, "local", "scored")
    return table(header, rows)


def _artefacts(stats: Stats) -> str:
    rows = [
        (
            cell.scope,
            cell.target,
            cell.rows,
            share(cell.repeated, cell.questions),
            share(cell.typical, cell.typical + cell.atypical),
            number(cell.choice_auc),
            cell.pairs,
        )
        for cell in stats.artefacts
    ]
    header = ("artefacts", "target", "rows", "repeated", "typical", "choice-only AUC", "pairs")
    return table(header, rows)


def _findings(stats: Stats) -> str:
    rows = [
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
