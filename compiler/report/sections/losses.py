"""Slots planned, probes built, rows scored, and the reasons of all losses."""

from __future__ import annotations

from collections import Counter, defaultdict

from compiler.probes.reasons import (
    CHANGES,
    EXCLUDED,
    EXCLUSION,
    REASONS,
    SKIPS,
    STATUSES,
    change_of,
)
from compiler.report.tree import ALL, Section, Table, count, percent, rows, word
from compiler.statistics.observations import SCORED
from compiler.statistics.stats import ScopeStats, Stats

UNKNOWN = "a reason of another version"
_MEANINGS = {**REASONS, EXCLUDED: EXCLUSION}
_LEAD = (
    "A document has a fixed number of slots per scope. A slot that becomes no scored probe is "
    "counted with its reason: planned = rejected + built for every scope."
)
_ROWS_ONLY = (
    "These numbers come from the rows alone, which do not say how many slots were planned or "
    "rejected: `probec report SPEC` and `probec stats SPEC` of the build do."
)


def section(stats: Stats) -> Section:
    """Make the section; for rows of a file without its build, only built rows and statuses."""
    entries = (slots, changes, rejects, statuses, ledger, skips)
    tables = tuple(table for entry in entries if (table := entry(stats)) is not None)
    notes = (_ROWS_ONLY,) if stats.build is None else ()
    return Section("losses", "From slots to scores", _LEAD, tables, notes)


def slots(stats: Stats) -> Table:
    """Tabulate slots and probes of every scope, and their sums."""
    build = stats.build
    found = [
        (
            scope.scope,
            *((build.planned_of(scope.scope),) if build is not None else ()),
            *((build.planned_of(scope.scope) - scope.built,) if build is not None else ()),
            *_built(scope),
        )
        for scope in stats.scopes
    ]
    planned = ("planned", "rejected") if build is not None else ()
    names = (*planned, "built", "prefix", "suffix", "typical", "atypical", "scored")
    sums = (sum(int(str(row[n + 1])) for row in found) for n in range(len(names)))
    return Table(
        "slots",
        "Probes per scope",
        "planned = rejected + built; scored: with blind scores",
        (word("scope"), *map(count, names)),
        rows([*found, (ALL, *sums)]),
        "A scope that loses many more slots than the others: its probes are a biased selection.",
    )


def _built(scope: ScopeStats) -> tuple[int, ...]:
    return (
        scope.built,
        scope.targets.get("prefix", 0),
        scope.targets.get("suffix", 0),
        scope.typicality.get("typical", 0),
        scope.typicality.get("atypical", 0),
        sum(scope.statuses.get(name, 0) for name in SCORED),
    )


def changes(stats: Stats) -> Table | None:
    """Tabulate rejected slots by what to change, the commonest first."""
    build = stats.build
    if build is None:
        return None
    lost: dict[str, Counter[str]] = defaultdict(Counter)
    for scope in stats.scopes:
        for reason, slots_ in build.rejected_of(scope.scope).items():
            lost[change_of(reason)][reason] += slots_
    found = [
        (
            name or "-",
            reasons.total(),
            reasons.total() / build.planned,
            ", ".join(f"{reason} {slots_:,}" for reason, slots_ in reasons.most_common()),
            CHANGES.get(name, UNKNOWN),
        )
        for name, reasons in sorted(lost.items(), key=lambda each: (-each[1].total(), each[0]))
    ]
    names = (word("change"), count("slots"), percent("of planned"))
    return _unless_empty(
        Table(
            "changes",
            "Rejected slots by what to change",
            "planned slots without a probe, all scopes",
            (*names, word("reasons"), word("to change")),
            rows(found),
            "A share of several percent: change that before the whole plan is built.",
        )
    )


def rejects(stats: Stats) -> Table | None:
    """Tabulate rejected slots by scope and reason, the commonest first."""
    build = stats.build
    if build is None:
        return None
    found = [
        (
            scope.scope,
            reason,
            lost,
            lost / build.planned_of(scope.scope),
            _MEANINGS.get(reason, UNKNOWN),
        )
        for scope in stats.scopes
        for reason, lost in sorted(
            build.rejected_of(scope.scope).items(), key=lambda each: (-each[1], each[0])
        )
    ]
    names = (word("scope"), word("reason"), count("slots"))
    return _unless_empty(
        Table(
            "rejects",
            "Rejected slots",
            "planned slots without a probe, by reason",
            (*names, percent("of planned"), word("meaning")),
            rows(found),
            "A common reason that names a rule (V...): the generator keeps breaking it.",
        )
    )


def statuses(stats: Stats) -> Table | None:
    """Tabulate rows by score status."""
    found = [
        (scope.scope, status, rows_, STATUSES.get(status, UNKNOWN))
        for scope in stats.scopes
        for status, rows_ in scope.statuses.items()
    ]
    return _unless_empty(
        Table(
            "statuses",
            "Score status",
            "rows by `score_status`",
            (word("scope"), word("status"), count("rows"), word("meaning")),
            rows(found),
            "Rows without scores: shares of HARD and EASY do not include them.",
        )
    )


def ledger(stats: Stats) -> Table | None:
    """Tabulate planned, rejected by stage, built and scored of every round and scope."""
    if stats.build is None:
        return None
    entries = stats.build.ledger
    stages = list(dict.fromkeys(stage for each in entries for stage in each.rejected))
    other = [name for name in STATUSES if any(name in each.statuses for each in entries)]
    other = [name for name in other if name not in SCORED]
    early = any("decided" in each.statuses for each in entries)
    found = [
        (
            each.round,
            each.scope,
            each.planned,
            *(sum(each.rejected.get(stage, {}).values()) for stage in stages),
            each.built,
            sum(each.statuses.get(status, 0) for status in SCORED),
            *((each.statuses.get("decided", 0),) if early else ()),
            *(each.statuses.get(status, 0) for status in other),
        )
        for each in entries
    ]
    return Table(
        "ledger",
        "Ledger",
        "by round: planned - rejected = built = scored + other statuses",
        (
            count("round"),
            word("scope"),
            count("planned"),
            *(count(f"rejected in {stage}") for stage in stages),
            count("built"),
            count("scored"),
            *((count("of these decided early"),) if early else ()),
            *map(count, other),
        ),
        rows(found),
    )


def skips(stats: Stats) -> Table | None:
    """Tabulate source rows and siblings that were not used or were cut."""
    if stats.build is None:
        return None
    chars = stats.build.skipped_chars
    found = [
        (reason, n, chars.get(reason), SKIPS.get(reason, UNKNOWN))
        for reason, n in stats.build.skips.items()
    ]
    return _unless_empty(
        Table(
            "skips",
            "Skipped source rows and siblings",
            "parts of the source that no slot can use",
            (word("reason"), count("count"), count("characters"), word("meaning")),
            rows(found),
        )
    )


def _unless_empty(table: Table) -> Table | None:
    return table if table.rows else None
