"""Finds out whether a batch that nobody answered for exists, before anything is sent again.

There is no idempotency key and no name on a batch: a landed one is found by its size, which no
other open shard has, and the time it was sent; only its results prove that it is ours.
"""

from __future__ import annotations

from compiler.llm.batches.api import BatchApi, NotThere, Remote, Unreachable
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import prefix_of
from compiler.llm.batches.states import Event, State

# A landed batch may be listed late: it is looked for at these seconds after it was first missed.
_LOOKS = (0.0, 30.0, 120.0, 300.0, 600.0)
# The server's clock may differ by so much, and sending may have taken so long.
_SKEW = 60.0
_SENDING = 720.0
_TURNED = 3600.0
# So long after it was sent a batch may still turn out to have landed twice.
_SWEPT = 2 * 86400.0


def unswept(journal: Journal, now: float) -> list[str]:
    """The endpoints at which a batch may yet turn out to have landed twice, or may have."""
    open_ = [endpoint for _, endpoint, _, verdict, _ in journal.suspects() if verdict == "open"]
    return [*open_, *(shard.endpoint for shard in journal.shards() if _unswept(shard, now))]


def _unswept(shard: Shard, now: float) -> bool:
    again = shard.sends > 1 and shard.state is State.APPLIED
    refused = shard.sends > 0 and shard.state in (State.SPLIT, State.DISCARDED)
    return (again or refused) and (shard.sent_at or 0.0) > now - _SWEPT


class Reconciler:
    """Looks for lost batches of one endpoint."""

    def __init__(self, api: BatchApi, journal: Journal, clock: Clock) -> None:
        self._api = api
        self._journal = journal
        self._clock = clock

    def look(self, shard: Shard) -> Shard:
        """One look for a shard whose fate is unknown: adopted, to be sent again, or neither yet."""
        now = self._clock.now()
        try:
            found = self._candidates(shard)
        except Unreachable as error:
            wait = error.wait if error.wait is not None else 30.0
            return self._journal.update(
                shard, next_at=now + min(wait, 300.0), note=f"no list of batches: {error}"
            )
        if found:
            # The oldest first: a later one is a duplicate, or somebody else's. One that does not
            # tell its size is worth a look when no other does.
            oldest = min(found, key=lambda r: (r.size != shard.n, r.created_at, r.id))
            for other in found:
                if other.id != oldest.id:
                    self._journal.suspect(other.id, shard)
            return self._journal.move(
                shard, Event.ADOPTED, now, oldest.id, batch_id=oldest.id,
                created_at=oldest.created_at, expires_at=oldest.expires_at, next_at=now, looks=0,
                note="found again by its size and time",
            )  # fmt: skip
        looks = shard.looks + 1
        if looks < len(_LOOKS):
            wait = _LOOKS[looks] - _LOOKS[looks - 1]
            return self._journal.update(
                shard, looks=looks, next_at=now + wait, note="looking for it before sending again"
            )
        return self._journal.move(
            shard, Event.NOT_THERE, now, f"not listed after {looks} looks", next_at=now, looks=0,
            note="not there, to be sent again",
        )  # fmt: skip

    def adopted(self, shard: Shard) -> bool:
        """Whether its batch was found by size and time, and not told by the server."""
        return any(kind == Event.ADOPTED for _, _, kind, _ in self._journal.events(shard.id))

    def not_ours(self, shard: Shard, custom_id: str) -> Shard:
        """The adopted batch has somebody else's results: let go of it and look again."""
        now = self._clock.now()
        assert shard.batch_id is not None
        theirs = shard.batch_id
        shard = self._journal.move(
            shard, Event.FOREIGN, now, f"{theirs} holds {custom_id}", batch_id=None,
            next_at=now, looks=0, note="",
        )  # fmt: skip
        self._journal.suspect(theirs, shard)
        self._journal.judge(theirs, "foreign", 0.0)
        # What was set aside beside the wrong one may be the right one.
        for batch_id, endpoint, number, verdict, _ in self._journal.suspects():
            if (endpoint, number, verdict) == (shard.endpoint, shard.id, "open"):
                return self._adopt_suspect(shard, batch_id)
        return shard

    def _adopt_suspect(self, shard: Shard, batch_id: str) -> Shard:
        now = self._clock.now()
        self._journal.drop_suspect(batch_id)
        return self._journal.move(
            shard, Event.ADOPTED, now, batch_id, batch_id=batch_id, created_at=shard.sent_at,
            next_at=now, looks=0, note="found again by its size and time",
        )  # fmt: skip

    def suspects(self) -> None:
        """Judge every batch that may be a second one of a body: a duplicate was billed too."""
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
        """A batch that was sent again may have landed before, listed too late or said refused."""
        for shard in self._journal.shards(endpoint=self._api.endpoint):
            if _unswept(shard, self._clock.now()):
                try:
                    for remote in self._candidates(shard):
                        self._journal.suspect(remote.id, shard)
                except Unreachable as error:
                    # Looked for again at the end of the next run, for two days.
                    now = self._clock.now()
                    self._journal.note(now, "not_swept", f"no list of batches: {error}", shard.id)
                    return

    def _candidates(self, shard: Shard) -> list[Remote]:
        """Listed batches of the shard's size, from its time, that belong to nobody we know."""
        first = self._journal.first_sent(shard)
        known = self._journal.known_ids()
        # Sending may have taken long: what counts is when it ended without an answer.
        lost = self._journal.last(shard, Event.UNCERTAIN) or 0.0
        until = max((shard.sent_at or first) + _SENDING, lost + 2 * _SKEW)
        found = [
            remote
            for remote in self._api.list(first - _TURNED)
            if remote.id not in known
            and remote.may_have(shard.n)
            and first - _TURNED <= remote.created_at <= until
        ]
        # This machine's clock may have been turned back since; an older batch of the size is then
        # ours unless its results say otherwise.
        return [remote for remote in found if remote.created_at >= first - _SKEW] or found
