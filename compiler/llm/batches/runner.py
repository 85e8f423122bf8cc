"""Shards from sealed to applied: submit once, reconcile before any resend, collect, apply.

Time is wall-clock time, since a batch lives for days and machines sleep. No wait exceeds the time
of the next due step, and a run may end at any point: the journal holds all that a resume needs.
"""

from __future__ import annotations

from collections.abc import Callable

from compiler.errors import PausedError, ProviderError, WaitingError
from compiler.llm.batches import collect, conflicts, shards
from compiler.llm.batches.api import (
    BatchApi,
    NotThere,
    Oversized,
    Refused,
    Uncertain,
    Unreachable,
)
from compiler.llm.batches.apply import read, seal_again
from compiler.llm.batches.cancellations import Cancellations
from compiler.llm.batches.clock import Clock, Pace
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.reconcile import Reconciler
from compiler.llm.batches.shards import Limits, Watcher
from compiler.llm.batches.states import OPEN, SENT, WAITING, Event, State
from compiler.llm.messages import Deliver
from compiler.llm.purse import Purse

_FETCHES = 8
_SOME = 8
# Up to max(_FEW, _SHARE of the shard) missing results count as lost and are requested again; if
# more are missing, the download is incomplete.
_FEW = 3
_SHARE = 0.01
_LATE = 2 * 3600.0
_GONE = 24 * 3600.0
_ARCHIVED = 29 * 24 * 3600.0
_HOURLY = 3600.0
_BACKOFF_CAP = 900.0


class Runner:
    """The shards of one endpoint, driven until none is open or nothing more can be done now.

    `wanted`: returns whether this build wants a request (by key) that must be sent again.
    """

    def __init__(
        self,
        api: BatchApi,
        journal: Journal,
        limits: Limits,
        purse: Purse,
        pace: Pace,
        clock: Clock,
        watcher: Watcher,
        wanted: Callable[[str], bool],
    ) -> None:
        self._api = api
        self._journal = journal
        self._limits = limits
        self._purse = purse
        self._pace = pace
        self._clock = clock
        self._watcher = watcher
        self._wanted = wanted
        self._reconciler = Reconciler(api, journal, clock)
        self._cancellations = Cancellations(api, journal, clock)
        self._sends = True
        self._reserved: dict[int, float] = {}

    def run(self, deliver: Deliver, commit: Callable[[], None]) -> None:
        """Settle every open shard of this endpoint.

        Raises:
            WaitingError: `Pace.wait` is off and batches are with the server.
            PausedError, BudgetError: nothing more may be sent; ended batches were collected first.
            ProviderError: batches were canceled; those that have ended were collected first.
            Oversized: the server refuses a single request as too large.
        """
        self._resume()
        while True:
            self._collect(deliver, commit)
            if self._cancellations.any:
                self._stop(deliver, commit)
            self._submit()
            self._collect(deliver, commit)
            open_shards = self._shards()
            self._tell(open_shards)
            if not open_shards:
                break
            if not self._pace.wait:
                self._leave(open_shards)
            due = min(shard.next_at for shard in open_shards) - self._clock.now()
            rest = min(max(0.05, due), self._pace.longest)
            self._clock.sleep(rest, self._cancellations.requested)
        self._reconciler.suspects()

    def _stop(self, deliver: Deliver, commit: Callable[[], None]) -> None:
        """Collect once more, of all batches, and raise the error about the cancellation."""
        for shard in self._shards():
            if shard.state in WAITING:
                self._journal.update(self._cancellations.forward(shard), next_at=0.0)
        self._collect(deliver, commit)
        raise self._cancellations.error()

    @staticmethod
    def _leave(open_shards: list[Shard]) -> None:
        """Raise WaitingError, unless a shard is neither waiting nor sealed and needs action."""
        sent = [shard for shard in open_shards if shard.state in WAITING]
        held = [shard for shard in open_shards if shard.state is State.SEALED]
        if len(sent) + len(held) < len(open_shards):
            return
        later = f"; {sum(s.n for s in held):,} more wait for space in the queue" if held else ""
        raise WaitingError(
            f"{len(sent)} batch{'es' if len(sent) != 1 else ''} of {sum(s.n for s in sent):,} "
            f"requests {'are' if len(sent) != 1 else 'is'} with the provider{later}",
            hint="run the same command again to collect them; `probec status` shows them",
        )

    def _due(self, shard: Shard) -> bool:
        """Return whether to act now; a due time far ahead means that the clock was turned back."""
        ahead = shard.next_at - self._clock.now()
        return ahead <= 0 or ahead > 2 * _HOURLY

    def _shards(self) -> list[Shard]:
        return self._journal.shards(OPEN, self._api.endpoint)

    def _tell(self, open_shards: list[Shard]) -> None:
        usual, now = self._journal.usual_seconds(self._api.endpoint), self._clock.now()
        last = max((shard.sent_at or now for shard in open_shards), default=now)
        left = max(0.0, last + usual - now) if usual is not None and open_shards else None
        self._watcher.batches(open_shards, self._purse, left)

    def collect(self, deliver: Deliver, commit: Callable[[], None]) -> None:
        """Collect the results of ended batches; send nothing."""
        self._sends = False
        self._resume()
        self._collect(deliver, commit)

    def _resume(self) -> None:
        """Resume the shards of an earlier run; an intent without a response is uncertain."""
        now = self._clock.now()
        for shard in self._shards():
            if shard.state is State.SUBMITTING:
                shard = self._journal.move(
                    shard, Event.UNCERTAIN, now, "an earlier run ended while sending", next_at=now
                )
            if shard.state in SENT:
                self._reserved[shard.id] = shard.expected_usd
                self._purse.in_flight += shard.expected_usd

    def _submit(self) -> None:
        sent = [shard.n for shard in self._journal.shards(SENT, self._api.endpoint)]
        queued = sum(sent)
        for shard in self._shards():
            if shard.state is State.SPLITTING:
                self._split(shard)
            if shard.state is not State.SEALED or not self._due(shard):
                continue
            now = self._clock.now()
            if queued and queued + shard.n > self._limits.queue_requests:
                self._journal.update(shard, next_at=now + self._pace.longest, note="queue full")
                continue
            if shard.n in sent:
                # A lost batch is found by its size, so no two batches in flight have the same size.
                note = "waits for another batch of its size"
                self._journal.update(shard, next_at=now + self._pace.first, note=note)
                continue
            self._send(shard)
            queued += shard.n
            sent.append(shard.n)

    def _send(self, shard: Shard) -> None:
        self._purse.reserve(shard.expected_usd, f"a batch of {shard.n:,} requests")
        self._reserved[shard.id] = shard.expected_usd
        now = self._clock.now()
        shard = self._journal.move(
            shard, Event.INTENT, now, f"{shard.n} requests, sha256 {shard.sha256[:12]}",
            sent_at=now, sends=shard.sends + 1, looks=0,
        )  # fmt: skip
        try:
            remote = self._api.create(self._journal.body(shard.id), shard.bytes)
        except Refused as error:
            self._refused(shard, error)
        except Uncertain as error:
            now = self._clock.now()
            self._journal.move(
                shard, Event.UNCERTAIN, now, str(error), next_at=now, note=str(error)
            )
        except ProviderError as error:
            # The account or the body is at fault: not accepted, and no other batch would be.
            self._release(shard)
            self._journal.move(
                shard, Event.REFUSED, self._clock.now(), str(error), note=error.message
            )
            raise
        else:
            self._journal.move(
                shard, Event.ACCEPTED, self._clock.now(), remote.id, batch_id=remote.id,
                created_at=remote.created_at, expires_at=remote.expires_at,
                next_at=self._clock.now() + self._pace.first, note="",
            )  # fmt: skip

    def _refused(self, shard: Shard, error: Refused) -> None:
        now = self._clock.now()
        self._release(shard)
        if error.too_large:
            shard = self._journal.move(shard, Event.TOO_LARGE, now, error.reason)
            if shard.n == 1:
                self._refuse(shard, error.reason)
            self._split(shard)
            return
        wait = min(_BACKOFF_CAP, error.wait if error.wait is not None else 2.0**shard.sends)
        note = f"refused, waiting {wait:,.0f} s: {error.reason}"
        shard = self._journal.move(
            shard, Event.REFUSED, now, error.reason, next_at=now + wait, note=note
        )
        if error.wait is None and shard.sends >= _FETCHES:
            raise ProviderError(
                f"the server refused a batch {shard.sends} times: {error.reason}",
                hint="run the same command again later; the replies received are kept",
            )

    def _refuse(self, shard: Shard, reason: str) -> None:
        (request,) = self._journal.requests(shard.id).values()
        self._journal.move(shard, Event.DISCARDED, self._clock.now(), reason)
        self._journal.body(shard.id).unlink(missing_ok=True)
        raise Oversized(request.key, reason, request.size)

    def _split(self, shard: Shard) -> None:
        shards.split(self._journal, shard, self._limits, self._purse.price)
        self._journal.move(shard, Event.SPLIT, self._clock.now())
        self._journal.body(shard.id).unlink(missing_ok=True)

    def _release(self, shard: Shard) -> None:
        self._purse.release(self._reserved.pop(shard.id, 0.0))

    def _collect(self, deliver: Deliver, commit: Callable[[], None]) -> None:
        for shard in self._shards():
            if not self._due(shard):
                continue
            if shard.state is State.UNKNOWN:
                shard = self._reconciler.look(shard)
                if shard.state is State.SEALED:
                    # The server does not have it, so nothing is in flight for it.
                    self._release(shard)
            if shard.state in WAITING:
                shard = self._poll(shard)
            if shard.state is State.DOWNLOADED and not self._journal.results(shard.id).is_file():
                shard = self._journal.move(shard, Event.MISLAID, self._clock.now(), looks=0)
            if shard.state is State.ENDED:
                shard = self._fetch(shard)
            if shard.state is State.DOWNLOADED:
                self._apply(shard, deliver, commit)

    def _poll(self, shard: Shard) -> Shard:
        now = self._clock.now()
        assert shard.batch_id is not None
        looks = shard.looks + 1
        next_at = now + min(self._pace.longest, self._pace.first * 1.3 ** min(looks, 20))
        try:
            remote = self._api.retrieve(shard.batch_id)
        except NotThere as error:
            # A 404 may be temporary, so a batch is lost only when its results have expired.
            if now - (shard.created_at or now) > _ARCHIVED:
                return self._lost(shard, "unknown to the server 29 days after its creation")
            why = f": {error}" if str(error) else ""
            note = f"not found{why}, polling again (is this the key of the workspace that sent it?)"
            return self._journal.update(shard, next_at=next_at, looks=looks, note=note)
        except Unreachable as error:
            note = f"no response: {error}"
            return self._journal.update(shard, next_at=next_at, looks=looks, note=note)
        if remote.ended:
            return self._journal.move(
                shard, Event.ENDED, now, str(remote.counts), looks=0, next_at=now
            )
        if remote.status == "canceling" and shard.state is not State.CANCELING and self._sends:
            self._cancellations.found(shard, shard.n)
            shard = self._journal.move(shard, Event.CANCEL_SENT, now, "not by this build")
        note = "" if remote.status in ("in_progress", "canceling") else f"status {remote.status!r}"
        if note and note != shard.note:
            self._journal.note(now, "unknown_status", remote.status, shard.id)
        if shard.state is State.IN_PROGRESS and now > remote.expires_at + _LATE:
            self._watcher.notice(
                f"batch {shard.batch_id} has not ended {(now - remote.expires_at) / 3600:.0f} h "
                "after it should have expired; it is polled hourly and not sent again"
            )
            return self._journal.move(shard, Event.LATE, now, next_at=now + _HOURLY, looks=looks)
        if shard.state is State.OVERDUE:
            next_at = now + _HOURLY
        return self._journal.update(shard, next_at=next_at, looks=looks, note=note)

    def _fetch(self, shard: Shard) -> Shard:
        now = self._clock.now()
        looks = shard.looks + 1
        assert shard.batch_id is not None
        try:
            remote = self._api.retrieve(shard.batch_id)
            collect.fetch(self._api, self._journal, shard)
        except NotThere as error:
            age = now - (shard.created_at or now)
            # A batch may be collected long after it was created, so the absence of its results is
            # measured from the time at which it was seen to have ended.
            ended = [at for at, _, kind, _ in self._journal.events(shard.id) if kind == Event.ENDED]
            absent = now - max(ended, default=now)
            if age > _ARCHIVED or (looks > _FETCHES and absent > _GONE):
                return self._lost(shard, str(error) or "its results are gone")
            next_at, note = now + min(600.0, 2.0**looks), "its results are not available yet"
            return self._journal.update(shard, looks=looks, next_at=next_at, note=note)
        except Unreachable as error:
            wait = error.wait if error.wait is not None else min(60.0, 2.0**looks / 4)
            if looks > 4 * _FETCHES:
                raise ProviderError(
                    f"the results of batch {shard.batch_id} cannot be fetched: {error}",
                    hint="run the same command again later; the provider keeps them for 29 days",
                ) from error
            note = f"results not fetched: {error}"
            return self._journal.update(shard, looks=looks, next_at=now + wait, note=note)
        if remote.archived:
            return self._lost(shard, "archived")
        found = collect.survey(self._api, self._journal, shard, remote)
        if found.foreign and not found.offsets and self._reconciler.adopted(shard):
            return self._reconciler.not_ours(shard, found.foreign[0])
        cuts = shard.cuts + 1
        if found.problems and cuts <= _FETCHES:
            self._journal.note(now, "incomplete", found.problems[0], shard.id)
            next_at, note = now + min(60.0, 2.0**cuts / 4), f"incomplete: {found.problems[0]}"
            return self._journal.update(shard, cuts=cuts, next_at=next_at, note=note)
        missing = shard.n - len(found.offsets)
        if found.problems and missing > max(_FEW, _SHARE * shard.n):
            # The results exist and were billed: sending the requests again would pay twice.
            self._journal.update(shard, cuts=0, next_at=now)
            raise ProviderError(
                f"every download of the results of batch {shard.batch_id} is incomplete: "
                f"{missing:,} of {shard.n:,} are missing",
                hint="run the same command again later; the provider keeps them for 29 days",
            )
        collect.record(self._journal, shard, remote, found, now)
        if found.conflicts:
            self._watcher.notice(conflicts.notice(shard.batch_id, found.conflicts))
        return self._journal.move(shard, Event.DOWNLOADED, now, str(dict(found.kinds)))

    def _lost(self, shard: Shard, why: str) -> Shard:
        self._release(shard)
        self._watcher.notice(
            f"the results of batch {shard.batch_id} are lost ({why}): {shard.n:,} requests were "
            "billed and must be sent again; run the same command again"
        )
        self._journal.move(shard, Event.GONE, self._clock.now(), why)
        raise ProviderError(
            f"the results of batch {shard.batch_id} are lost: {why}",
            hint="they were billed; running the same command again pays for them a second time",
        )

    def _apply(self, shard: Shard, deliver: Deliver, commit: Callable[[], None]) -> None:
        """Log the results, then seal the requests to send again, then finish the shard."""
        applied = read(self._api, self._journal, shard, deliver)
        commit()
        collect.map_keys(self._journal, shard, applied.kept[:_SOME])
        limits, price = self._limits, self._purse.price
        left = len(applied.canceled)
        if not (left and self._sends and self._cancellations.found(shard, left)):
            seal_again(self._journal, shard, applied, limits, price, self._wanted)
        self._release(shard)
        counts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(applied.counts.items()))
        self._journal.move(shard, Event.APPLIED, self._clock.now(), counts, note=counts)
        self._journal.body(shard.id).unlink(missing_ok=True)
        collect.archive(self._journal, shard)
        if applied.paused:
            raise PausedError(
                f"the account cannot be used: {applied.paused[0]} ({len(applied.paused):,} "
                "requests)",
                hint="fix the account and run the same command again; only these requests are sent "
                "again",
            )
