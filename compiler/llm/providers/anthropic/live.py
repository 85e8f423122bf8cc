"""Live requests, a bounded number at a time, that wait together when the server says so."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.client import Client, Failure, account_at_fault, unserved
from compiler.llm.purse import Purse

_ATTEMPTS = 5
# A lost answer may have been billed, so it is not asked for often.
_LOST = 3
_REFUSALS = 2
_WAIT_CAP = 60.0
# The server said that it did not serve these, so asking again pays for nothing twice.
_UNSERVED = (429, 503, 529)


class Live:
    """One HTTP request per call, `concurrency` at a time.

    `elsewhere`: the endpoint that has a key in an open batch, if one has.
    """

    name = "anthropic"
    free = False
    max_bytes = 32_000_000

    def __init__(
        self,
        client: Client,
        concurrency: int,
        purse: Purse,
        notice: Callable[[str], None],
        elsewhere: Callable[[str], str | None],
    ) -> None:
        self._client = client
        self._concurrency = concurrency
        self._purse = purse
        self._notice = notice
        self._elsewhere = elsewhere
        self._gate = _Gate()

    def encode(self, request: Request) -> dict[str, Json]:
        """The Messages API body."""
        return wire.messages_body(request)

    def unsettled(self) -> bool:
        """Never: what was asked was answered."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Send every call; replies are delivered from this thread as they come in.

        The first goes alone, and the second too if the first was refused: what the server would
        refuse of all is refused of one or two.
        """
        flying: dict[Future[Reply], tuple[Call, float]] = {}
        refused: list[Reply] = []
        served = 0

        def land(done: Iterable[Future[Reply]]) -> None:
            nonlocal served
            for future in done:
                sent, usd = flying.pop(future)
                self._purse.release(usd)
                reply = future.result()
                deliver(sent.key, sent.purpose, reply)
                served += reply.outcome is not Outcome.ERRORED
                if not served:
                    refused.append(reply)
            commit()

        # With what these replies bring with them in later passes, before any is paid for.
        for purpose, count in Counter(each.purpose for each in calls).items():
            self._purse.foresee(purpose, count)
        pool = ThreadPoolExecutor(self._concurrency)
        try:
            for each in calls:
                place = self._elsewhere(each.key)
                if place is not None:
                    raise in_flight(each, place)
                usd = self._purse.price(each.purpose)
                self._purse.reserve(usd, "the next request")
                flying[pool.submit(self.send, each.body)] = (each, usd)
                # Two for each worker, so that none waits for this thread.
                most = 2 * self._concurrency if served else 1
                while len(flying) >= most:
                    land(wait([*flying], return_when=FIRST_COMPLETED).done)
                    if len(refused) == _REFUSALS:
                        raise self._useless(refused[-1])
            while flying:
                land(wait([*flying], return_when=FIRST_COMPLETED).done)
        except BaseException as error:
            self._rescue(pool, flying, deliver, error)
            commit()
            raise
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            self._client.close()

    def _useless(self, reply: Reply) -> ProviderError:
        return ProviderError(
            f"the API refused the first {_REFUSALS} requests: {reply.error}",
            where=self._client.endpoint,
            hint="check model, max_tokens and base_url in the spec; nothing else was sent",
        )

    def _rescue(
        self,
        pool: ThreadPoolExecutor,
        flying: dict[Future[Reply], tuple[Call, float]],
        deliver: Deliver,
        error: BaseException,
    ) -> None:
        """What is in flight is paid for: let it arrive and keep it, unless the user insists."""
        pool.shutdown(wait=False, cancel_futures=True)
        running = [future for future in flying if not future.cancelled()]
        if running and isinstance(error, KeyboardInterrupt):
            self._notice(
                f"waiting for {len(running)} requests in flight, to keep what they cost; "
                "Ctrl-C again leaves them"
            )
        with contextlib.suppress(KeyboardInterrupt):
            wait(running)
        for future in running:
            if future.done() and future.exception() is None:
                sent, _ = flying[future]
                deliver(sent.key, sent.purpose, future.result())

    def send(self, body: bytes) -> Reply:
        """One call, tried again when the server did not serve it or its answer was lost.

        A lost answer may have been billed; not asking again would lose it all the same.

        Raises:
            PausedError, ProviderError: the account or the endpoint cannot be used.
        """
        pause = 1.0
        for attempt in range(1, _ATTEMPTS + 1):
            self._gate.wait()
            try:
                message, request_id = self._client.message(body)
            except Failure as failure:
                lost = failure.status is None
                last = attempt >= (_LOST if lost else _ATTEMPTS)
                if _of_account(failure) or (lost and last):
                    raise unserved(failure, self._client.endpoint) from failure
                if last or not (lost or failure.status in _UNSERVED):
                    error = failure.message
                    return Reply(Outcome.ERRORED, "", "", "", 0, 0, failure.request_id, error)
                pause = failure.wait if failure.wait is not None else min(_WAIT_CAP, pause * 2)
                self._gate.close(min(_WAIT_CAP, pause), everybody=failure.status == 429)
            else:
                return wire.reply(message, request_id)
        raise AssertionError("unreachable: the last attempt returns or raises")


def in_flight(call: Call, endpoint: str) -> ProviderError:
    """What a user is told who would pay for a request that is already with a provider."""
    return ProviderError(
        f"request {call.key[:12]} of the {call.purpose.role} is in an open batch at {endpoint}",
        hint="collect it first with the provider and base_url that sent it, or `probec cancel` it "
        "and collect what is left; see `probec status`",
    )


def _of_account(failure: Failure) -> bool:
    return account_at_fault(failure.kind, failure.message, failure.code, failure.status)


class _Gate:
    """Holds all workers back while the server wants fewer requests."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens = 0.0

    def wait(self) -> None:
        """Until the gate is open."""
        while (left := self._opens - time.monotonic()) > 0:
            time.sleep(left)

    def close(self, seconds: float, *, everybody: bool) -> None:
        """For so long; for this worker alone when it is the server that is in trouble."""
        if not everybody:
            time.sleep(seconds)
            return
        with self._lock:
            self._opens = max(self._opens, time.monotonic() + seconds)


def params(body: bytes) -> dict[str, Json]:
    """A body as read back."""
    value: dict[str, Json] = json.loads(body)
    return value
