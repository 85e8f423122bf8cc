"""The search for batches whose submission got no response, before anything is sent again.

A batch has no idempotency key and no name: one that the server accepted is found by its size, which
no other batch in flight has, and its time; only its results prove that it is ours.
"""

from __future__ import annotations

from compiler.llm.batches.api import BatchApi, NotThere, Remote, Unreachable
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import prefix_of
from compiler.llm.batches.states import Event, State

# A landed batch is usually listed at once, but may be listed late: it is searched for at these
# seconds after it was first missed.
_LOOKS = (0.0, 2.0, 5.0, 10.0, 20.0, 40.0, 80.0, 160.0, 320.0, 600.0)
# Tolerances in seconds: for differing clocks, a long POST, and a clock that was turned back.
_SKEW = 60.0
_SENDING = 720.0
_TURNED = 3600.0
# Duplicates of a batch are searched for until this many seconds after it was sent.
_SWEPT = 2 * 86400.0


def unswept(journal: Journal, now: float) -> list[str]:
    """Return the endpoints at which duplicates of batches are to be searched for or judged."""
    open_ = [endpoint for _, endpoint, _, verdict, _ in journal.suspects() if verdict == "open"]
    return [*open_, *(shard.endpoint for shard in journal.shards() if _unswept(shard, now))]


def _unswept(shard: Shard, now: float) -> bool:
    again = shard.sends > 1 and shard.state is State.APPLIED
    refused = shard.sends > 0 and shard.state in (State.SPLIT, State.DISCARDED)
    return (again or refused) and (shard.sent_at or 0.0) > now - _SWEPT


class Reconciler:
    """The search for lost and duplicate batches at one endpoint."""

    def __init__(self, api: BatchApi, journal: Journal, clock: Clock) -> None:
        self._api = api
        self._journal = journal
        self._clock = clock

    def look(self, shard: Shard) -> Shard:
        """Search once for the batch of a shard in state `unknown`: adopt it, resend, or go on."""
        now = self._clock.now()
        try:
            found = self._candidates(shard)
        except Unreachable as error:
            wait = error.wait if error.wait is not None else 30.0
            return self._journal.update(
                shard, next_at=now + min(wait, 300.0), note=f"batch list unavailable: {error}"
            )
        if found:
            # The oldest first: a later one is a duplicate or of another project. A batch without
            # counts is considered only if none of the right size is listed.
            oldest = min(found, key=lambda r: (r.size != shard.n, r.created_at, r.id))
            for other in found:
                if other.id != oldest.id:
                    self._journal.suspect(other.id, shard)
            return self._journal.move(
                shard, Event.ADOPTED, now, oldest.id, batch_id=oldest.id,
                created_at=oldest.created_at, expires_at=oldest.expires_at, next_at=now, looks=0,
                note="found by its size and time",
            )  # fmt: skip
        looks = shard.looks + 1
        if looks < len(_LOOKS):
            wait = _LOOKS[looks] - _LOOKS[looks - 1]
            left = _LOOKS[-1] - _LOOKS[looks - 1]
            note = (
                f"no batch of {shard.n:,} requests in the server's list yet: search {looks} of "
                f"{len(_LOOKS)}, the next in {wait:,.0f} s; sent again after {left:,.0f} s"
            )
            return self._journal.update(shard, looks=looks, next_at=now + wait, note=note)
        return self._journal.move(
            shard, Event.NOT_THERE, now, f"not listed in {looks} searches", next_at=now, looks=0,
            note="not with the server, will be sent again",
        )  # fmt: skip

    def adopted(self, shard: Shard) -> bool:
        """Return whether the shard's batch was found by a search, not named by the server."""
        return any(kind == Event.ADOPTED for _, _, kind, _ in self._journal.events(shard.id))

    def not_ours(self, shard: Shard, custom_id: str) -> Shard:
        """Release an adopted batch whose results are not ours, and search again."""
        now = self._clock.now()
        assert shard.batch_id is not None
        theirs = shard.batch_id
        shard = self._journal.move(
            shard, Event.FOREIGN, now, f"{theirs} holds {custom_id}", batch_id=None,
            next_at=now, looks=0, note="",
        )  # fmt: skip
        self._journal.suspect(theirs, shard)
        self._journal.judge(theirs, "foreign", 0.0)
        # A suspect recorded when the wrong batch was adopted may be the right one.
        for batch_id, endpoint, number, verdict, _ in self._journal.suspects():
            if (endpoint, number, verdict) == (shard.endpoint, shard.id, "open"):
                return self._adopt_suspect(shard, batch_id)
        return shard

    def _adopt_suspect(self, shard: Shard, batch_id: str) -> Shard:
        now = self._clock.now()
        self._journal.drop_suspect(batch_id)
        return self._journal.move(
            shard, Event.ADOPTED, now, batch_id, batch_id=batch_id, created_at=shard.sent_at,
            next_at=now, looks=0, note="found by its size and time",
        )  # fmt: skip

    def suspects(self) -> None:
        """Judge every suspect whose batch has ended; a duplicate was billed as well."""
        self._sweep()
        for batch_id, endpoint, number, verdict, _ in self._journal.suspects():
            if verdict != "open" or endpoint != self._api.endpoint:
                continue
            shard = self._journal.shard(number)
            try:
                if not self._api.retrieve(batch_id).ended:
                    continue
                line = self._api.parse(self._api.first_line(batch_id))
            except (NotThere, Unreachable):
                continue
            prefix = prefix_of(self._journal.nonce, shard.id, shard.attempt)
            ours = line is not None and line.custom_id.startswith(prefix)
            usd = shard.expected_usd if ours else 0.0
            verdict = "duplicate" if ours else "foreign"
            self._journal.judge(batch_id, verdict, usd)
            self._journal.note(self._clock.now(), f"suspect_{verdict}", batch_id, shard.id)

    def _sweep(self) -> None:
        """Search for batches that were accepted although listed too late or reported as refused."""
        for shard in self._journal.shards(endpoint=self._api.endpoint):
            if _unswept(shard, self._clock.now()):
                try:
                    for remote in self._candidates(shard):
                        self._journal.suspect(remote.id, shard)
                except Unreachable as error:
                    # Searched for again at the end of the next run, for two days.
                    now = self._clock.now()
                    self._journal.note(now, "not_swept", f"list unavailable: {error}", shard.id)
                    return

    def _candidates(self, shard: Shard) -> list[Remote]:
        """Return the listed batches of the shard's size and time that no shard is known to have."""
        first = self._journal.first_sent(shard)
        known = self._journal.known_ids()
        # A POST may take long, so the time at which it ended without a response counts.
        lost = self._journal.last(shard, Event.UNCERTAIN) or 0.0
        until = max((shard.sent_at or first) + _SENDING, lost + 2 * _SKEW)
        found = [
            remote
            for remote in self._api.list(first - _TURNED)
            if remote.id not in known
            and remote.may_have(shard.n)
            and first - _TURNED <= remote.created_at <= until
        ]
        # If this machine's clock was turned back since, the batch seems older; its results decide
        # whether it is ours.
        return [remote for remote in found if remote.created_at >= first - _SKEW] or found
