"""Idempotent transfer of downloaded results to the log, each by the policy for its kind."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from msgspec import Struct, field

from compiler.llm.batches import conflicts, shards
from compiler.llm.batches.api import BatchApi, Line, lines
from compiler.llm.batches.journal import Journal, Sealed, Shard
from compiler.llm.batches.policy import Action, decide
from compiler.llm.batches.shards import Limits, Packer
from compiler.llm.messages import Deliver, Outcome, Purpose, Reply

# The event of a batch that had canceled requests when it ended.
CANCELED = "canceled_requests"


class Applied(Struct):
    """Results of a shard by kind, keys of replies, requests to send again, account errors.

    `canceled`: the requests of `again` that were canceled with their batch.
    """

    counts: Counter[str] = field(default_factory=Counter)
    again: list[Sealed] = field(default_factory=list)
    canceled: list[Sealed] = field(default_factory=list)
    paused: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)


def read(api: BatchApi, journal: Journal, shard: Shard, deliver: Deliver) -> Applied:
    """Deliver every result of a downloaded shard and return a summary; the caller commits."""
    requests = journal.requests(shard.id)
    prefix = shards.prefix_of(journal.nonce, shard.id, shard.attempt)
    seen: set[int] = set()
    applied = Applied()
    # Servers differ in whether a canceled request has a line.
    absent = "canceled" if was_canceled(journal, shard) else "missing"

    def settle(request: Sealed, line: Line | None) -> None:
        kind = line.kind if line is not None else absent
        applied.counts[kind] += 1
        if kind == "canceled":
            # By the user, here or elsewhere: no failed attempt.
            applied.again.append(request)
            applied.canceled.append(request)
            return
        action = decide(line, shard.attempt)
        if action is Action.KEEP and line is not None and line.reply is not None:
            deliver(request.key, journal.purpose(request.purpose), line.reply)
            applied.kept.append(request.key)
        elif action is Action.FAIL:
            deliver(request.key, journal.purpose(request.purpose), _failure(line))
        else:
            applied.again.append(request)
            if action is Action.PAUSE and line is not None:
                applied.paused.append(line.error)

    differing: dict[int, list[Line]] = {
        ordinal: []
        for _, _, kind, custom_id in journal.events(shard.id)
        if kind == conflicts.CONFLICT
        and (ordinal := shards.ordinal_of(custom_id, prefix)) is not None
    }
    for _, raw in lines(journal.results(shard.id)):
        line = api.parse(raw)
        ordinal = shards.ordinal_of(line.custom_id, prefix) if line is not None else None
        if line is not None and ordinal in differing:
            differing[ordinal].append(line)
        elif ordinal is not None and ordinal in requests and ordinal not in seen:
            seen.add(ordinal)
            settle(requests[ordinal], line)
    for ordinal, several in differing.items():
        if several and ordinal in requests:
            seen.add(ordinal)
            settle(requests[ordinal], conflicts.verdict(several))
    for ordinal in sorted(requests.keys() - seen):
        settle(requests[ordinal], None)
    return applied


def was_canceled(journal: Journal, shard: Shard) -> bool:
    """Return whether the server counted canceled requests of a batch when it had ended."""
    return any(kind == CANCELED for _, _, kind, _ in journal.events(shard.id))


def seal_again(
    journal: Journal,
    shard: Shard,
    applied: Applied,
    limits: Limits,
    price: Callable[[Purpose], float],
    wanted: Callable[[str], bool],
) -> None:
    """Seal the requests that must be sent again and are wanted by this build.

    After a crash, requests that are in a new shard already are skipped. A request that this build
    does not want is sent again by the build that does. When the account was at fault or the batch
    was canceled, the attempt does not count.
    """
    left = [
        each
        for each in applied.again
        if wanted(each.key) and not journal.is_elsewhere(each.key, shard.id)
    ]
    if not left:
        return
    attempt = shard.attempt if applied.paused or applied.canceled else shard.attempt + 1
    with Packer(journal, shard.endpoint, limits, price, attempt) as packer:
        for call in shards.reread(journal, shard, sorted(left, key=lambda each: each.at)):
            packer.add(call)


def _failure(line: Line | None) -> Reply:
    if line is None:
        return Reply(Outcome.EXPIRED, "", "", "", 0, 0, "", "no result came back")
    outcome = Outcome.EXPIRED if line.kind == "expired" else Outcome.ERRORED
    error = f"{line.error_type}: {line.error}" if line.error_type else line.error or line.kind
    return Reply(outcome, "", "", "", 0, 0, "", error)
