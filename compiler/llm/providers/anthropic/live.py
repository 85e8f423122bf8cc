"""Live requests, a bounded number at a time, that wait together when the server says so."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

from compiler.keys import Json
from compiler.llm.messages import Call, Deliver, Outcome, Reply, Request
from compiler.llm.providers.anthropic import wire
from compiler.llm.providers.anthropic.client import Client, Failure, account_at_fault, unserved
from compiler.llm.purse import Purse

_ATTEMPTS = 5
_WAIT_CAP = 60.0
# The server said that it did not serve these, so asking again pays for nothing twice.
_UNSERVED = (429, 503, 529)


class Live:
    """One HTTP request per call, `concurrency` at a time."""

    name = "anthropic"
    free = False
    max_bytes = 32_000_000

    def __init__(self, client: Client, concurrency: int, purse: Purse) -> None:
        self._client = client
        self._concurrency = concurrency
        self._purse = purse
        self._gate = _Gate()

    def encode(self, request: Request) -> dict[str, Json]:
        """The Messages API body."""
        return wire.messages_body(request)

    def unsettled(self) -> bool:
        """Never: what was asked was answered."""
        return False

    def ask(self, calls: Iterable[Call], deliver: Deliver, commit: Callable[[], None]) -> None:
        """Send every call; replies are delivered from this thread as they come in.

        The first goes alone: what the server would refuse of all is refused of one.
        """
        flying: dict[Future[Reply], tuple[Call, float]] = {}

        def land(done: Iterable[Future[Reply]]) -> None:
            for future in done:
                sent, usd = flying.pop(future)
                self._purse.release(usd)
                deliver(sent.key, sent.purpose, future.result())
                commit()

        with ThreadPoolExecutor(self._concurrency) as pool:
            try:
                most = 1
                for each in calls:
                    usd = self._purse.price(each.purpose)
                    self._purse.reserve(usd, "the next request")
                    flying[pool.submit(self.send, each.body)] = (each, usd)
                    while len(flying) >= most:
                        land(wait([*flying], return_when=FIRST_COMPLETED).done)
                    # Two for each worker, so that none waits for this thread.
                    most = 2 * self._concurrency
                while flying:
                    land(wait([*flying], return_when=FIRST_COMPLETED).done)
            except BaseException:
                # What is in flight is paid for: let it arrive and keep it, start nothing more.
                pool.shutdown(wait=True, cancel_futures=True)
                for future, (sent, _) in flying.items():
                    if future.done() and not future.cancelled() and future.exception() is None:
                        deliver(sent.key, sent.purpose, future.result())
                commit()
                raise
            finally:
                self._client.close()

    def send(self, body: bytes) -> Reply:
        """One call, tried again only when the server said that it did not serve it.

        Raises:
            PausedError, ProviderError: the account or the endpoint cannot be used.
        """
        pause = 1.0
        for attempt in range(1, _ATTEMPTS + 1):
            self._gate.wait()
            try:
                message, request_id = self._client.message(body)
            except Failure as failure:
                last = attempt == _ATTEMPTS
                if failure.status is None or _of_account(failure):
                    raise unserved(failure) from failure
                if failure.status not in _UNSERVED or last:
                    error = failure.message
                    return Reply(Outcome.ERRORED, "", "", "", 0, 0, failure.request_id, error)
                pause = failure.wait if failure.wait is not None else min(_WAIT_CAP, pause * 2)
                self._gate.close(min(_WAIT_CAP, pause), everybody=failure.status == 429)
            else:
                return wire.reply(message, request_id)
        raise AssertionError("unreachable: the last attempt returns or raises")


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
