"""Batches of a project: their state in the journal and at the provider, and cancellation."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from msgspec import Struct, field

from compiler.engine.lock import locked
from compiler.errors import BusyError, ProviderError
from compiler.keys import Json
from compiler.llm.batches.api import NotThere, Unreachable
from compiler.llm.batches.cancellations import REQUESTED
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.states import FINISHED, SENT, WAITING, Event, State
from compiler.llm.providers import batch_api
from compiler.project.project import PAID, SPENDING, Project
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table


class Canceled(Struct):
    """The outcome of a cancellation: the ids of canceled batches, how many could not be canceled,
    and a line about each.
    """

    ids: list[str] = field(default_factory=list)
    failed: int = 0
    lines: list[str] = field(default_factory=list)

    def data(self) -> Json:
        """Convert to JSON."""
        return {"canceled": [*self.ids], "failed": self.failed}

    def text(self) -> str:
        """Format the outcome for a terminal."""
        lines = [*self.lines]
        if self.ids:
            lines.append(
                "requests that were already served are billed; `probec build` with the spec that "
                "sent them collects their replies and sends the others again, `probec status "
                "--collect` only collects"
            )
        return "\n".join(lines) if lines else "no batches are open"


def cancel(project: Project) -> Canceled:
    """Cancel every open batch of a project; what is already served stays billed and is kept.

    Beside a running build, which alone changes the states of its batches, they are canceled at the
    provider, and the build is told to stop.
    """
    journal, now = project.journal, project.clock.now
    found = Canceled()
    try:
        with locked(journal.folder, PAID, SPENDING):
            for shard in journal.shards((State.SEALED, State.SPLITTING)):
                journal.move(shard, Event.DISCARDED, now(), "canceled before it was sent")
                journal.body(shard.id).unlink(missing_ok=True)
                found.lines.append(
                    f"shard {shard.id}: {shard.n:,} requests were not sent and are dropped"
                )
            for shard in journal.shards(SENT):
                _cancel(journal, shard, now, found)
    except BusyError as busy:
        _beside(journal, now, found, busy)
    return found


def _beside(journal: Journal, now: Callable[[], float], found: Canceled, busy: BusyError) -> None:
    """Cancel the batches of the build that holds the lock, and request that it stops."""
    journal.note(now(), REQUESTED, "by `probec cancel`")
    for shard in journal.shards(SENT):
        if shard.batch_id is None:
            found.lines.append(
                f"shard {shard.id}: being sent; the running build cancels it when the provider "
                "has confirmed it"
            )
        else:
            _cancel(journal, shard, now, found, beside=True)
    found.lines.append(f"{busy.message}: it sends nothing more, collects what has ended and stops")


def _cancel(
    journal: Journal,
    shard: Shard,
    now: Callable[[], float],
    found: Canceled,
    *,
    beside: bool = False,
) -> None:
    if shard.batch_id is None:
        found.lines.append(
            f"shard {shard.id}: not canceled: it is not known yet whether the provider received "
            "it; run `probec build` to find out, then cancel again"
        )
        found.failed += 1
    elif any(kind == Event.ADOPTED for _, _, kind, _ in journal.events(shard.id)):
        found.lines.append(
            f"batch {shard.batch_id}: not canceled: it was matched by size and time only and may "
            "belong to another project; run `probec status --collect` when it has ended"
        )
        found.failed += 1
    elif shard.state in (State.IN_PROGRESS, State.OVERDUE):
        # The intent comes first: a batch that was canceled by the user is no surprise to a build.
        journal.note(now(), REQUESTED, shard.batch_id, shard.id)
        try:
            with batch_api(shard.endpoint) as api:
                api.cancel(shard.batch_id)
        except (NotThere, Unreachable, ProviderError) as error:
            found.lines.append(f"batch {shard.batch_id}: not canceled: {error}")
            found.failed += 1
            return
        if not beside:
            journal.move(shard, Event.CANCEL_SENT, now(), next_at=now())
        found.ids.append(shard.batch_id)
        found.lines.append(f"batch {shard.batch_id}: canceling, {shard.n:,} requests")
    else:
        found.lines.append(
            f"batch {shard.batch_id}: already {shard.state.value}, not canceled; "
            "`probec status --collect` fetches its results"
        )


def poll(shard: Shard) -> str:
    """Query the provider for the status of a batch.

    Returns the journal's note of a shard that is not at the provider.
    """
    if shard.batch_id is None or shard.state not in WAITING:
        return shard.note
    try:
        with batch_api(shard.endpoint) as api:
            found = api.retrieve(shard.batch_id)
    except (NotThere, Unreachable, ProviderError) as error:
        return f"no answer: {error}"
    counts = ", ".join(f"{n:,} {kind}" for kind, n in found.counts.items() if n)
    return f"{found.status}: {counts}"


def text(
    shards: Sequence[Shard], remote: Mapping[int, str], now: float, screen: Screen = PLAIN
) -> str:
    """Format batches as a table.

    `remote`: the provider's report by shard; `now`: seconds since the epoch.
    """
    if not shards:
        return "no batches are open"
    rows = [
        (
            shard.id,
            shard.state.value,
            shard.label,
            shard.n,
            f"{shard.bytes / 1_000_000:,.1f}",
            shard.attempt,
            shard.batch_id or "-",
            _age(now - shard.sent_at) if shard.sent_at is not None else "-",
            _next(shard, now),
            f"{shard.expected_usd:,.2f}",
            remote.get(shard.id, shard.note),
        )
        for shard in shards
    ]
    header = ("shard", "state", "for", "requests", "MB", "attempt", "batch", "age", "next poll")
    return table((*header, "US$", "note"), rows, screen)


def _next(shard: Shard, now: float) -> str:
    """Format the time until a running build polls a batch."""
    if shard.state in FINISHED:
        return "-"
    return f"in {_age(shard.next_at - now)}" if shard.next_at > now else "due"


def _age(seconds: float) -> str:
    hours, rest = divmod(int(max(0.0, seconds)), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
