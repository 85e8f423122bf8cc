"""The ledger: for each round and scope, planned = rejected by stage and reason + built.

A ledger that does not close is a defect of the compiler; the build then fails instead of reporting
numbers that contradict one another.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct, field

from compiler.errors import StoreError
from compiler.records import Reject, Skip
from compiler.statistics.observations import Observations


class LedgerStats(Struct, frozen=True):
    """One scope in one round: planned = sum of `rejected` over stages and reasons + built.

    `statuses`: built probes by score status; they add up to `built`.
    """

    round: int
    scope: str
    planned: int
    rejected: dict[str, dict[str, int]]
    built: int
    statuses: dict[str, int]


class UsageStats(Struct, frozen=True):
    """Tokens and dollars of one paid stage, as recorded with the replies.

    `input_tokens` excludes tokens written to and read from a provider's prompt cache.
    """

    stage: str
    role: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float
    cache_write_tokens: int = 0
    cache_read_tokens: int = 0


class BuildStats(Struct, frozen=True):
    """Numbers of a build that its rows do not hold.

    `planned`: slots; `rounds`: documents drawn in each round; `skips`: unused parts of the source
    by reason; `skipped_chars`: characters of siblings among them; `rungs`: generator replies by the
    step of the repair that read them; `unknown_keys`: keys of generator replies that no field
    reads, by path.
    """

    planned: int
    documents_drawn: int
    rounds: tuple[int, ...]
    ledger: tuple[LedgerStats, ...]
    skips: dict[str, int]
    rungs: dict[str, int]
    usage: tuple[UsageStats, ...]
    unknown_keys: dict[str, int] = field(default_factory=dict)
    skipped_chars: dict[str, int] = field(default_factory=dict)

    def planned_of(self, scope: str) -> int:
        """Sum the planned slots of a scope over all rounds."""
        return sum(each.planned for each in self.ledger if each.scope == scope)

    def rejected_of(self, scope: str) -> dict[str, int]:
        """Count the rejects of a scope by reason, over all rounds and stages."""
        found: Counter[str] = Counter()
        for each in self.ledger:
            if each.scope == scope:
                for reasons in each.rejected.values():
                    found.update(reasons)
        return dict(sorted(found.items()))


def close(
    slots: Mapping[str, int],
    rounds: Sequence[int],
    rejects: Iterable[Reject],
    rows: Observations,
) -> tuple[LedgerStats, ...]:
    """Compute the ledger and check that it closes.

    `slots`: per scope and document; `rounds`: documents drawn in each.

    Raises:
        StoreError: the ledger of a round and scope does not close, or rows or rejects belong to a
            round or scope that was not planned.
    """
    statuses: dict[tuple[int, str], Counter[str]] = defaultdict(Counter)
    places = zip(rows.rounds.tolist(), rows.scopes.tolist(), rows.statuses.tolist(), strict=True)
    for (index, scope, status), count in Counter(places).items():
        statuses[index, scope][status] += count
    rejected: dict[tuple[int, str], dict[str, Counter[str]]] = defaultdict(dict)
    for reject in rejects:
        stages = rejected[reject.round, reject.scope]
        stages.setdefault(reject.stage, Counter())[reject.reason] += 1
    entries = []
    for index, documents in enumerate(rounds):
        for scope, each in slots.items():
            entries.append(
                _entry(
                    index,
                    scope,
                    each * documents,
                    rejected.pop((index, scope), {}),
                    statuses.pop((index, scope), Counter()),
                )
            )
    for index, scope in [*rejected, *statuses]:
        raise _open(index, scope, "rows or rejects of a round or scope that was not planned")
    return tuple(entries)


def counted(items: Iterable[str]) -> dict[str, int]:
    """Count each item, sorted by name."""
    return dict(sorted(Counter(items).items()))


def skipped(skips: Iterable[Skip]) -> tuple[dict[str, int], dict[str, int]]:
    """Count source rows and siblings that were not used or were cut, and characters, by reason."""
    counts: Counter[str] = Counter()
    chars: Counter[str] = Counter()
    for skip in skips:
        counts[skip.reason] += 1
        chars[skip.reason] += skip.chars
    return dict(sorted(counts.items())), {k: n for k, n in sorted(chars.items()) if n}


def _entry(
    index: int,
    scope: str,
    planned: int,
    stages: Mapping[str, Counter[str]],
    found: Counter[str],
) -> LedgerStats:
    lost = sum(each.total() for each in stages.values())
    if planned != lost + found.total():
        raise _open(index, scope, f"{planned} planned, {found.total()} built, {lost} rejected")
    by_stage = {stage: dict(sorted(each.items())) for stage, each in sorted(stages.items())}
    return LedgerStats(index, scope, planned, by_stage, found.total(), dict(sorted(found.items())))


def _open(index: int, scope: str, detail: str) -> StoreError:
    return StoreError(
        f"the ledger of scope {scope} in round {index} does not close: {detail}",
        hint="this is a defect of probec: please report it with the spec",
    )
