"""Cancellations of batches while a build runs: by another process, or at the provider.

Their requests are not sent again by the running build, because somebody stopped them: it ends, and
the next build, which is the user's decision, sends them again.
"""

from __future__ import annotations

from collections.abc import Sequence

from compiler.errors import ProviderError
from compiler.llm.batches.api import BatchApi, NotThere, Unreachable
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.states import SENT, Event, State

REQUESTED = "cancel_requested"
"""The event of a cancellation that another process requests from the running build."""


def begin(journal: Journal) -> None:
    """Begin a run, which requests for a cancellation from now on concern; a no-op within one."""
    if journal.cancel_requests is None:
        journal.cancel_requests = journal.count(REQUESTED)


def requested(journal: Journal) -> bool:
    """Return whether another process has requested a cancellation since the run began."""
    return journal.count(REQUESTED) > (journal.cancel_requests or 0)


def stopped(left: str = "") -> ProviderError:
    """Return the error of a run that another process stopped. `left`: what is still open."""
    return ProviderError(
        f"`probec cancel` was run, so this build sends nothing more{left}",
        hint="finished replies are kept; to collect the rest and send the canceled requests again, "
        "run the same command; `probec status --collect` only collects",
    )


class Cancellations:
    """The cancellations that a run has found, apart from those of which the user knew before it."""

    def __init__(self, api: BatchApi, journal: Journal, clock: Clock) -> None:
        self._api = api
        self._journal = journal
        self._clock = clock
        begin(journal)
        kinds = (Event.CANCEL_SENT, REQUESTED)
        events = journal.events() if journal.exists() else []
        self._known = {shard for _, shard, kind, _ in events if kind in kinds}
        self._ids: list[str] = []
        self._requests = 0
        self._usd = 0.0

    def requested(self) -> bool:
        """Return whether another process has requested a cancellation since the run began."""
        return requested(self._journal)

    def found(self, shard: Shard, requests: int) -> bool:
        """Record canceled requests of a shard; return False if the user knew of them before."""
        if shard.id in self._known:
            return False
        self._known.add(shard.id)
        self._ids.append(shard.batch_id or f"shard {shard.id}")
        self._requests += requests
        self._usd += shard.expected_usd * requests / shard.n
        return True

    @property
    def any(self) -> bool:
        """Return whether the build must stop."""
        return bool(self._ids) or self.requested()

    def forward(self, shard: Shard) -> Shard:
        """Cancel a batch as another process requested, also one that it could not name yet."""
        adopted = any(kind == Event.ADOPTED for _, _, kind, _ in self._journal.events(shard.id))
        if not self.requested() or shard.state not in (State.IN_PROGRESS, State.OVERDUE) or adopted:
            return shard
        assert shard.batch_id is not None
        try:
            self._api.cancel(shard.batch_id)
        except (NotThere, Unreachable) as error:
            return self._journal.update(shard, note=f"not canceled: {error}")
        return self._journal.move(shard, Event.CANCEL_SENT, self._clock.now())

    def error(self) -> ProviderError:
        """Return the error that stops the build, with the choice that the user has."""
        sent = self._journal.shards(SENT, self._api.endpoint)
        left = f"; {_batches(len(sent))} still with the provider" if sent else ""
        if self.requested():
            return stopped(left)
        several = self._requests != 1
        without = f"{self._requests:,} request{'s' if several else ''} without a reply"
        return ProviderError(
            f"{_listed(self._ids)} canceled, but not by this build: {without} "
            f"{'are' if several else 'is'} not sent again{left}",
            where=self._api.endpoint,
            hint=f"finished replies are kept; to send the rest again, for about "
            f"${self._usd:,.2f}, run the same command; to stop here, run `probec cancel`",
        )


def _batches(count: int) -> str:
    return f"{count} batch{'es are' if count != 1 else ' is'}"


def _listed(ids: Sequence[str]) -> str:
    more = f" and {len(ids) - 3} more" if len(ids) > 3 else ""
    verb = "were" if len(ids) > 1 else "was"
    return f"batch{'es' if len(ids) > 1 else ''} {', '.join(ids[:3])}{more} {verb}"
