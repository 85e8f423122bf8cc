"""Live requests, a bounded number at a time, that pause together when the server demands it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Protocol

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm import intents
from compiler.llm.batches import cancellations
from compiler.llm.batches.clock import Clock
from compiler.llm.batches.journal import Journal
from compiler.llm.intents import Intents
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.flight import Flight, Gate
from compiler.llm.purse import Purse
from compiler.servers.failure import Failure, may_be_served, unserved

_ATTEMPTS = 5
# Attempts in all after a lost response: each may have been billed.
_LOST = 3
# Attempts in all after a time-out, and the seconds between them: a slow server may still be working
# on the first, and the second doubles its load.
_LATE = 2
_LATE_WAIT = 60.0
_REFUSALS = 2
_WAIT_CAP = 60.0
# With these statuses the server did not process the request, so a retry pays for nothing twice.
_UNSERVED = (429, 503, 529)
# Types of error events that end a stream and mean a fault of the server.
_PASSING = ("overloaded_error", "api_error", "rate_limit_error", "timeout_error")


class Server(Protocol):
    """The client of one endpoint.

    `patience`: seconds without a byte after which a request has timed out.
    """

    patience: float

    @property
    def endpoint(self) -> str:
        """Return the server's address."""

    def message(self, body: bytes) -> tuple[dict[str, Json], str]:
        """Send one request; return the decoded response and its id."""

    def close(self) -> None:
        """Close the connections."""


class Live:
    """A provider that sends one HTTP request per call, `concurrency` at a time."""

    name = "anthropic"
    free = False
    max_bytes = 32_000_000

    def __init__(
        self,
        client: Server,
        concurrency: int,
        purse: Purse,
        notice: Callable[[str], None],
        journal: Journal,
        clock: Clock,
    ) -> None:
        self._client = client
        self._concurrency = concurrency
        self._purse = purse
        self._notice = notice
        self._journal = journal
        self._intents = Intents(journal, clock)
        self._gate = Gate()

    def encode(self, request: Request) -> dict[str, Json]:
        """Return the Messages API body."""
        return wire.messages_body(request)

    def reply(self, message: dict[str, Json], request_id: str) -> Reply:
        """Return a message of the API as a reply."""
        return wire.reply(message, request_id)

    def model_path(self, role: str) -> str:
        """Return the path in a spec of the settings of a role's model."""
        return f"models.{role}"

    def unsettled(self) -> bool:
        """Return False, because a live reply cannot be collected later."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Send every call; replies are delivered by the calling thread as they arrive.

        The first call goes alone, and the second, too, if the first is refused, so that an error in
        all requests costs two refusals.

        Raises:
            BudgetError: the next request would exceed the budget.
            PausedError, ProviderError: the account or the endpoint cannot be used, the first
                requests were refused, a call is in an open batch, or `probec cancel` was run.
        """
        refused: list[Reply] = []
        reserved: dict[str, float] = {}
        served = False

        def keep(call: Call, reply: Reply) -> None:
            self._purse.release(reserved.pop(call.key, 0.0))
            deliver(call.key, call.purpose, reply)

        def land() -> None:
            nonlocal served
            replies = flight.land()
            served = served or any(each.outcome is not Outcome.ERRORED for each in replies)
            if not served:
                refused.extend(replies)

        cancellations.begin(self._journal)
        # Includes the later passes that follow, and comes before any payment.
        self._purse.foresee(Counter(each.purpose for each in calls))
        try:
            with self._flight(keep, commit) as flight:
                for each in calls:
                    place = self._journal.where(each.key)
                    if place is not None:
                        raise in_flight(each, place)
                    if cancellations.requested(self._journal):
                        raise cancellations.stopped()
                    usd = self._purse.price(each.purpose)
                    self._purse.reserve(usd, "the next request")
                    reserved[each.key] = usd
                    flight.launch(each)
                    # Two for each worker, so that none waits for this thread.
                    while len(flight) >= (2 * self._concurrency if served else 1):
                        land()
                        if len(refused) == _REFUSALS:
                            raise self._useless(refused[-1])
                while len(flight):
                    land()
        finally:
            self._client.close()

    def alone(
        self, call: Call, keep: Callable[[Call, Reply], None], commit: Callable[[], None]
    ) -> Reply:
        """Send one call and return its reply, which is kept also if Ctrl-C is pressed meanwhile."""
        with self._flight(keep, commit) as flight:
            flight.launch(call)
            (reply,) = flight.land()
        return reply

    def _flight(self, keep: Callable[[Call, Reply], None], commit: Callable[[], None]) -> Flight:
        logged: list[str] = []
        failed: list[str] = []

        def kept(call: Call, reply: Reply) -> None:
            keep(call, reply)
            (failed if reply.outcome is Outcome.ERRORED else logged).append(call.key)

        def committed() -> None:
            commit()
            if logged or failed:
                intents.end(self._journal, logged, failed)
                logged.clear()
                failed.clear()

        where = self._client.endpoint
        gate, notice = self._gate, self._notice
        return Flight(self.send, self._concurrency, gate, kept, committed, notice, where)

    def _useless(self, reply: Reply) -> ProviderError:
        return ProviderError(
            f"the API refused the first {_REFUSALS} requests: {reply.error}",
            where=self._client.endpoint,
            hint="check model, max_tokens and base_url in the spec; nothing else was sent",
        )

    def send(self, call: Call) -> Reply:
        """Send one call, with retries if the server did not process it or its response was lost.

        A lost response may have been billed, but without a retry it would be lost all the same.

        Raises:
            PausedError, ProviderError: the account or the endpoint cannot be used.
            Leaving: the run ends while the call waits for its turn.
        """
        pause = 1.0
        for attempt in range(1, _ATTEMPTS + 1):
            self._gate.wait()
            self._intents.send(call, self._client.endpoint)
            try:
                message, request_id = self._client.message(call.body)
            except Failure as failure:
                if not _may_be_billed(failure):
                    self._intents.unserved(call)
                lost = failure.status is None
                last = attempt >= _attempts(failure)
                if failure.of_account or (lost and last):
                    raise self._given_up(call, failure, attempt) from failure
                if last:
                    error = failure.message
                    return Reply(Outcome.ERRORED, "", "", "", 0, 0, failure.request_id, error)
                pause = failure.wait if failure.wait is not None else min(_WAIT_CAP, pause * 2)
                why, everyone = failure.message, failure.status == 429
                if failure.timed_out:
                    pause, everyone = _LATE_WAIT, True
                    why = f"no byte for {self._client.patience:,.0f} s ({call.about})"
                self._gate.close(min(_WAIT_CAP, pause), why, all_workers=everyone)
            else:
                return self.reply(message, request_id)
        raise AssertionError("unreachable: the last attempt returns or raises")

    def _given_up(self, call: Call, failure: Failure, attempts: int) -> ProviderError:
        if not failure.timed_out:
            return unserved(failure, self._client.endpoint)
        return ProviderError(
            f"{call.about}: no byte for {self._client.patience:,.0f} s, {attempts} times; each "
            "attempt may have been billed",
            where=self._client.endpoint,
            hint=f"raise {self.model_path(call.purpose.role)}.read_timeout for a slow server, or "
            "check it; the replies received are kept",
        )


def in_flight(call: Call, endpoint: str) -> ProviderError:
    """Return the error for a call that is in an open batch already and would be paid for twice."""
    return ProviderError(
        f"request {call.key[:12]} of the {call.purpose.role} is in an open batch at {endpoint}",
        hint="collect it first, with the spec that sent it or, when it has ended, with `probec "
        "status --collect`; or stop it with `probec cancel` and collect the rest",
    )


def _may_be_billed(failure: Failure) -> bool:
    """Return whether the server may bill a request in spite of the failure."""
    # A stream that broke off has the status 200.
    return failure.sent and (may_be_served(failure) or failure.status == 200)


def _attempts(failure: Failure) -> int:
    """Return the attempts in all for a call with such a failure."""
    if failure.timed_out:
        return _LATE
    if failure.status in _UNSERVED:
        return _ATTEMPTS
    # A stream that broke off may have been billed for the tokens already sent.
    broke_off = failure.status == 200 and failure.kind in _PASSING
    return _LOST if may_be_served(failure) or broke_off else 1
