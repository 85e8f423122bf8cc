"""The Message Batches API as a provider: half the price, about an hour, never paid twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable

from msgspec.structs import replace

from compiler.errors import BudgetError, ProviderError
from compiler.keys import Json
from compiler.llm.batches import cancellations
from compiler.llm.batches.api import Oversized
from compiler.llm.batches.runner import Runner
from compiler.llm.batches.shards import BatchSettings, Packer, discard_unsent
from compiler.llm.batches.states import SENT, State
from compiler.llm.messages import Call, Deliver, Outcome, Purpose, Reply, Request
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.providers.anthropic.live import Live, in_flight
from compiler.llm.purse import Purse

# Live requests of a new shape, at most, before the shape counts as refused.
_CANARIES = 2


class Batch:
    """A provider that seals, submits and collects batches, also those that earlier runs left."""

    name = "anthropic-batch"
    free = False

    def __init__(self, client: Client, settings: BatchSettings, purse: Purse) -> None:
        self.max_bytes = settings.limits.max_bytes - 256
        self._client = client
        self._settings = settings
        self._purse = purse

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the `params` of a batched request: the live body, hence the same request key."""
        return wire.messages_body(request)

    def unsettled(self) -> bool:
        """Return whether an earlier run left batches at this endpoint, or results to apply."""
        journal = self._settings.journal
        if not journal.exists():
            return False
        endpoint = self._client.endpoint
        suspects = any(s[1] == endpoint and s[3] == "open" for s in journal.suspects())
        return suspects or bool(journal.shards(SENT, endpoint))

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Deliver a reply to every call, and collect all other batches at this endpoint.

        One request of each new shape (the canary) goes live first: batches are validated after they
        are accepted, and a wrong parameter would fail all of their requests, hours later.

        Raises:
            BudgetError: the calls would exceed the budget; ended batches were collected first.
            PausedError, ProviderError: the account or the endpoint cannot be used, or a call is in
                an open batch at another endpoint.
            WaitingError: `Pace.wait` is off and batches are with the server.
        """
        try:
            self._ask(calls, deliver, commit)
        finally:
            self._client.close()

    def _ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        settings, journal = self._settings, self._settings.journal
        notice = settings.watcher.notice
        live = Live(self._client, 1, self._purse, notice, journal, settings.clock)
        api = Endpoint(self._client, settings.clock, notice)
        discard_unsent(journal, api.endpoint, settings.clock.now())
        canaries: dict[str, list[Call]] = defaultdict(list)
        shapes, proven = wire.Shapes(), dict[str, bool]()
        unsent: Counter[Purpose] = Counter()
        # Half of each key, to save memory: there may be a million.
        wanted: set[bytes] = set()
        runner = Runner(
            api,
            journal,
            settings.limits,
            self._purse,
            settings.pace,
            settings.clock,
            settings.watcher,
            lambda key: bytes.fromhex(key[:32]) in wanted,
        )
        with Packer(journal, api.endpoint, settings.limits, self._purse.price) as packer:
            # No other process sends while this one holds the project's lock.
            flying = bool(journal.shards(SENT))
            for each in calls:
                wanted.add(bytes.fromhex(each.key[:32]))
                place = journal.where(each.key) if flying else None
                if place == api.endpoint:
                    continue
                if place is not None:
                    raise in_flight(each, place)
                unsent[each.purpose] += 1
                kind = shapes.of(each.body)
                if kind not in proven:
                    proven[kind] = journal.proven(api.endpoint, kind)
                if proven[kind] or len(canaries[kind]) == _CANARIES:
                    packer.add(each)
                else:
                    canaries[kind].append(each)
            try:
                # Includes the later passes that follow, and comes before any payment.
                self._purse.foresee(unsent, journal.in_flight_usd())
                self._afford(packer.usd, [c for each in canaries.values() for c in each])
            except BudgetError:
                # Batches that were sent before are paid for, so they are collected all the same.
                runner.collect(deliver, commit)
                raise
            for kind, held in canaries.items():
                if cancellations.requested(journal):
                    break  # the runner stops
                for each in self._prove(live, kind, held, deliver, commit):
                    packer.add(each)
        try:
            runner.run(deliver, commit)
        except Oversized as error:
            raise _oversized(error, calls, api.endpoint) from error

    def _prove(
        self,
        live: Live,
        kind: str,
        held: list[Call],
        deliver: Deliver,
        commit: Callable[[], None],
    ) -> list[Call]:
        """Send requests of a shape live until one is accepted; return those left for a batch.

        A single refusal may be due to the request itself; if all are refused, the shape is at
        fault.

        Raises:
            ProviderError: all were refused.
        """
        endpoint = self._client.endpoint

        def keep(call: Call, reply: Reply) -> None:
            if reply.outcome is not Outcome.ERRORED:
                deliver(call.key, call.purpose, reply)
                commit()
                # Recorded here, so that Ctrl-C during this request does not lose it.
                self._settings.journal.prove(endpoint, kind)

        failed: list[tuple[Call, Reply]] = []
        for place, each in enumerate(held):
            # A live request has no batch discount.
            purpose = replace(each.purpose, rate=each.purpose.rate.unbatched())
            reply = live.alone(replace(each, purpose=purpose), keep, commit)
            if reply.outcome is Outcome.ERRORED:
                failed.append((each, reply))
                continue
            # The failures may have been transient and were not billed, so they are tried again.
            return [other for other, _ in failed] + held[place + 1 :]
        if failed:
            last, reply = failed[-1]
            about = f" (the last: {last.place})" if last.place else ""
            raise ProviderError(
                f"the API refused the first {len(failed)} requests of their kind{about}: "
                f"{reply.error}",
                where=endpoint,
                hint="check model, max_tokens and base_url in the spec; nothing else was sent",
            )
        return []

    def _afford(self, packed: float, canaries: list[Call]) -> None:
        """Check all packed calls against the budget before the first is sent: all or nothing."""
        journal = self._settings.journal
        # Shards for another server are not sent by this build.
        sealed = journal.shards((State.SEALED,), self._client.endpoint)
        new = packed + sum(shard.expected_usd for shard in sealed)
        new += sum(self._purse.price(each.purpose) for each in canaries)
        flying = journal.in_flight_usd()
        if self._purse.spent + flying + new > self._purse.budget:
            raise BudgetError(
                f"the next batches are expected to cost ${new:,.2f}; with "
                f"${self._purse.spent:,.2f} spent and ${flying:,.2f} in flight they would "
                f"exceed the budget of ${self._purse.budget:,.2f}",
                hint="nothing was sent; raise budget.max_usd or --max-usd and run again",
            )


def _oversized(error: Oversized, calls: Iterable[Call], endpoint: str) -> ProviderError:
    """Return the error for a request that the server refuses as too large, with its row."""
    row = next((f"{c.place}: the {c.purpose.role}'s" for c in calls if c.key == error.key), "a")
    return ProviderError(
        f"{row} request of {error.size:,} bytes is too large for the server: {error.message}",
        where=endpoint,
        hint="shorten it (siblings.shown, scoring.view.max_chars, the prompt) or leave the "
        "document out, or raise the server's limit; the replies received are kept",
    )
