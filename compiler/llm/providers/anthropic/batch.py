"""The Message Batches API as a provider: half the price, an hour or so, never paid twice."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

from compiler.errors import BudgetError, ProviderError
from compiler.keys import Json
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal
from compiler.llm.batches.runner import Pace, Runner, Watcher
from compiler.llm.batches.shards import Limits, Packer, discard_unsent
from compiler.llm.batches.states import SENT, State
from compiler.llm.messages import Call, Deliver, Outcome, Purpose, Reply, Request
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.providers.anthropic.endpoint import Endpoint
from compiler.llm.providers.anthropic.live import Live, in_flight
from compiler.llm.purse import Purse

# So many requests of a new shape go live at most before the shape is given up.
_CANARIES = 2


@dataclass(frozen=True)
class BatchSettings:
    """What batches need beside the requests; none of it is part of a key."""

    journal: Journal
    limits: Limits
    pace: Pace
    clock: Clock
    watcher: Watcher


class Batch:
    """Seals, submits, waits and collects. The journal knows what an earlier run left open."""

    name = "anthropic-batch"
    free = False

    def __init__(self, client: Client, settings: BatchSettings, purse: Purse) -> None:
        self.max_bytes = settings.limits.max_bytes - 256
        self._client = client
        self._settings = settings
        self._purse = purse

    def encode(self, request: Request) -> dict[str, Json]:
        """The `params` of one batched request: the same body as live, so the same key."""
        return wire.messages_body(request)

    def unsettled(self) -> bool:
        """Whether batches of an earlier run are with this endpoint, or their results are here."""
        journal = self._settings.journal
        if not journal.exists():
            return False
        endpoint = self._client.endpoint
        suspects = any(s[1] == endpoint and s[3] == "open" for s in journal.suspects())
        return suspects or bool(journal.shards(SENT, endpoint))

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Bring in every call, and whatever else is with this endpoint.

        One request of each new shape goes live first: batches are validated after they are
        accepted, and a wrong parameter would fail all of their requests, hours later.
        """
        try:
            self._ask(calls, deliver, commit)
        finally:
            self._client.close()

    def _ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        settings, journal = self._settings, self._settings.journal
        live = Live(self._client, 1, self._purse, settings.watcher.notice, journal.where)
        api = Endpoint(self._client, settings.clock)
        discard_unsent(journal, api.endpoint, settings.clock.now())
        canaries: dict[str, list[Call]] = defaultdict(list)
        shapes, proven = wire.Shapes(), dict[str, bool]()
        fresh: Counter[Purpose] = Counter()
        # Half a digest each, as there may be a million.
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
            # Nobody else sends while this holds the project's lock.
            flying = bool(journal.shards(SENT))
            for each in calls:
                wanted.add(bytes.fromhex(each.key[:32]))
                place = journal.where(each.key) if flying else None
                if place == api.endpoint:
                    continue
                if place is not None:
                    raise in_flight(each, place)
                fresh[each.purpose] += 1
                kind = shapes.of(each.body)
                if kind not in proven:
                    proven[kind] = journal.proven(api.endpoint, kind)
                if proven[kind] or len(canaries[kind]) == _CANARIES:
                    packer.add(each)
                else:
                    canaries[kind].append(each)
            try:
                # With what these bring with them in later passes, before any is paid for.
                self._purse.foresee(fresh, journal.in_flight_usd())
                self._afford(packer.usd, [c for each in canaries.values() for c in each])
            except BudgetError:
                # What was sent before is paid for and comes in all the same.
                runner.collect(deliver, commit)
                raise
            for kind, held in canaries.items():
                for each in self._prove(live, kind, held, deliver, commit):
                    packer.add(each)
        runner.run(deliver, commit)

    def _prove(
        self,
        live: Live,
        kind: str,
        held: list[Call],
        deliver: Deliver,
        commit: Callable[[], None],
    ) -> list[Call]:
        """Send requests of a shape live until one is served; returns those that need not be.

        One may be refused for its own sake; all of them are refused for their shape's.
        """
        endpoint = self._client.endpoint

        def keep(call: Call, reply: Reply) -> None:
            if reply.outcome is not Outcome.ERRORED:
                deliver(call.key, call.purpose, reply)
                commit()
                # Here, so that it is known even when the user stops while this comes in.
                self._settings.journal.prove(endpoint, kind)

        failed: list[tuple[Call, Reply]] = []
        for place, each in enumerate(held):
            # Outside of a batch, so without its discount.
            purpose = replace(each.purpose, rate=each.purpose.rate.unbatched())
            reply = live.alone(replace(each, purpose=purpose), keep, commit)
            if reply.outcome is Outcome.ERRORED:
                failed.append((each, reply))
                continue
            # What failed alone may have met a passing fault, and costs nothing to try again.
            return [other for other, _ in failed] + held[place + 1 :]
        if failed:
            raise ProviderError(
                f"the API refused the first {len(failed)} requests of their kind: "
                f"{failed[-1][1].error}",
                where=endpoint,
                hint="check model, max_tokens and base_url in the spec; nothing else was sent",
            )
        return []

    def _afford(self, packed: float, canaries: list[Call]) -> None:
        """All or nothing: what is packed is weighed before the first of it is sent."""
        journal = self._settings.journal
        # What was packed for another server is not sent by this build.
        sealed = journal.shards((State.SEALED,), self._client.endpoint)
        new = packed + sum(shard.expected_usd for shard in sealed)
        new += sum(self._purse.price(each.purpose) for each in canaries)
        flying = journal.in_flight_usd()
        if self._purse.spent + flying + new > self._purse.wall:
            raise BudgetError(
                f"the next batches are expected to cost ${new:,.2f}; with "
                f"${self._purse.spent:,.2f} spent and ${flying:,.2f} in flight they would pass "
                f"the wall of ${self._purse.wall:,.2f}",
                hint="nothing was sent; raise budget.max_usd or --max-usd and run again",
            )
