"""Live requests in flight: every reply that arrives is kept, also after an error or Ctrl-C. A gate
holds workers back while the server limits the rate of requests or fails.

The threads are daemons, because a pool of the standard library would keep the process alive until
the slowest reply has arrived, however often the user presses Ctrl-C.
"""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue

from compiler.errors import StoreError
from compiler.llm.interrupts import Interrupts
from compiler.llm.messages import Call, Outcome, Reply
from compiler.llm.patience import Schedule, since

# Seconds between checks for Ctrl-C and for notices.
_LOOK = 0.2
# Seconds after which the first request in flight is named, and those of a reply that is named.
_FIRST = 1.0
_SLOW = 10.0

# Minimum seconds between two notices about waiting.
_QUIET = 10.0


class Leaving(Exception):
    """The end of a run, raised in a worker whose request waited and was not sent (again)."""


class Gate:
    """The gate that the workers of one provider share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens = 0.0
        self._leaving = threading.Event()
        self._why = ""
        self._noticed = -_QUIET

    def wait(self) -> None:
        """Block until the gate is open. Raises Leaving if the run ends meanwhile."""
        while (left := self._opens - time.monotonic()) > 0:
            self._rest(left)

    def close(self, seconds: float, why: str, *, all_workers: bool) -> None:
        """Hold back all workers for some seconds, or only the calling one. Raises Leaving."""
        self._why = f"waiting {seconds:,.0f} s before the next attempt: {why}"
        if not all_workers:
            self._rest(seconds)
            return
        with self._lock:
            self._opens = max(self._opens, time.monotonic() + seconds)

    def why(self) -> str:
        """Return a notice about waiting, each once and rate-limited; empty if there is none."""
        now = time.monotonic()
        if not self._why or now < self._noticed + _QUIET:
            return ""
        self._noticed = now
        why, self._why = self._why, ""
        return why

    def open(self) -> None:
        """Begin a new run."""
        self._leaving.clear()

    def leave(self) -> None:
        """End the run: waiting workers raise Leaving."""
        self._leaving.set()

    def _rest(self, seconds: float) -> None:
        if self._leaving.wait(seconds):
            raise Leaving


class Flight:
    """A `with` block whose calls are sent by worker threads and kept by the calling thread.

    When the block ends with an error or the first Ctrl-C, calls that were not started are dropped
    and those in flight are waited for; the second Ctrl-C abandons them, with a notice. `keep` puts
    a reply into the log and `commit` makes it durable. `where`: the server, for notices.
    """

    def __init__(
        self,
        send: Callable[[Call], Reply],
        concurrency: int,
        gate: Gate,
        keep: Callable[[Call, Reply], None],
        commit: Callable[[], None],
        notice: Callable[[str], None],
        where: str,
    ) -> None:
        self._where = where
        self._send = send
        self._concurrency = concurrency
        self._gate = gate
        self._keep = keep
        self._commit = commit
        self._notice = notice
        self._interrupts = Interrupts()
        self._threads = 0
        self._waiting: SimpleQueue[Call | None] = SimpleQueue()
        self._back: SimpleQueue[tuple[Call, Reply | BaseException]] = SimpleQueue()
        self._flying: dict[str, Call] = {}
        self._unsaved: list[tuple[Call, Reply]] = []
        # When a thread took up a call, in epoch seconds by key.
        self._taken: dict[str, float] = {}
        self._waits = Schedule(_FIRST)

    def __len__(self) -> int:
        return len(self._flying)

    def __enter__(self) -> Flight:
        self._gate.open()
        self._interrupts.__enter__()
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is not None:
                self._rescue(error)
        finally:
            for _ in range(self._threads):
                self._waiting.put(None)
            self._interrupts.__exit__(kind, error, trace)

    def launch(self, call: Call) -> None:
        """Queue a call for the next free thread."""
        self._flying[call.key] = call
        self._waiting.put(call)
        if self._threads < min(self._concurrency, len(self._flying)):
            self._threads += 1
            threading.Thread(target=self._work, daemon=True).start()

    def land(self) -> list[Reply]:
        """Wait for at least one reply; keep all that have arrived, durably, and return them.

        Raises:
            KeyboardInterrupt: the user pressed Ctrl-C.
            ProviderError: `send` raised it.
            StoreError: the log cannot be written.
        """
        while True:
            self._look()
            with contextlib.suppress(Empty):
                landed = [self._back.get(timeout=_LOOK)]
                break
        with contextlib.suppress(Empty):
            while True:
                landed.append(self._back.get_nowait())
        self._waits = Schedule()
        replies = []
        errors = []
        for call, found in landed:
            del self._flying[call.key]
            self._name(call, found)
            if isinstance(found, BaseException):
                errors.append(found)
            else:
                replies.append(found)
                self._unsaved.append((call, found))
        for call, reply in self._unsaved:
            self._keep(call, reply)
        self._commit()
        self._unsaved.clear()
        if errors:
            raise errors[0]
        return replies

    def _look(self) -> None:
        if self._interrupts.count:
            raise KeyboardInterrupt
        why = self._gate.why()
        if why:
            self._notice(why)
        if self._waits.due():
            self._report()

    def _report(self) -> None:
        """Name the requests that are out, the oldest first, with the time since which they are."""
        out = sorted((began, key) for key, began in self._taken.copy().items())
        listed = [
            f"{self._flying[key].about} {since(began)}" for began, key in out if key in self._flying
        ]
        if listed:
            more = f", and {len(listed) - 4} more" if len(listed) > 4 else ""
            self._notice(f"no reply yet from {self._where}: {', '.join(listed[:4])}{more}")

    def _name(self, call: Call, found: Reply | BaseException) -> None:
        """Name a reply that took long."""
        seconds = time.time() - self._taken.pop(call.key, time.time())
        if isinstance(found, Reply) and seconds >= _SLOW:
            self._notice(
                f"{call.about} has a reply after {seconds:,.0f} s ({found.output_tokens:,} tokens)"
            )

    def _work(self) -> None:
        while (call := self._waiting.get()) is not None:
            try:
                self._taken[call.key] = time.time()
                self._back.put((call, self._send(call)))
            except BaseException as error:
                # Raised again in the caller's thread.
                self._back.put((call, error))

    def _rescue(self, error: BaseException) -> None:
        """Wait for the calls in flight and keep their replies, unless Ctrl-C is pressed again."""
        with contextlib.suppress(Empty):
            while True:
                dropped = self._waiting.get_nowait()
                if dropped is not None:
                    del self._flying[dropped.key]
        self._gate.leave()
        self._wait()
        try:
            for call, reply in self._unsaved:
                self._keep(call, reply)
            self._commit()
        except StoreError as full:
            raise _unkept(self._unsaved, full) from error

    def _wait(self) -> None:
        noticed = False
        while self._flying:
            if self._interrupts.count > 1:
                break
            if self._interrupts.count and not noticed:
                noticed = True
                self._notice(
                    f"waiting for {self._counted} in flight, to keep what was paid for; "
                    "press Ctrl-C again to abandon them"
                )
            try:
                call, found = self._back.get(timeout=_LOOK)
            except Empty:
                continue
            except KeyboardInterrupt:
                # Another SIGINT handler is installed, so Ctrl-C is not counted.
                break
            del self._flying[call.key]
            if isinstance(found, Reply):
                self._unsaved.append((call, found))
        if self._flying:
            self._notice(
                f"abandoned {self._counted} in flight: they may have been billed, and the next "
                "build sends them again"
            )

    @property
    def _counted(self) -> str:
        return f"{len(self._flying)} request{'s' if len(self._flying) != 1 else ''}"


def _unkept(unsaved: list[tuple[Call, Reply]], error: StoreError) -> StoreError:
    """Return the error for replies that were paid for and cannot be stored, with cost and ids.

    Without such replies, it is `error` itself.
    """
    billed = [(call, reply) for call, reply in unsaved if reply.outcome is not Outcome.ERRORED]
    if not billed:
        return error
    usd = sum(reply.usd(call.purpose.rate) for call, reply in billed)
    ids = ", ".join(reply.request_id or call.key[:12] for call, reply in billed[:5])
    more = ", ..." if len(billed) > 5 else ""
    return StoreError(
        f"{len(billed)} {billed[0][0].purpose.role} repl{'ies' if len(billed) > 1 else 'y'} that "
        f"cost ${usd:,.4f} cannot be kept and will be paid for again ({ids}{more}): "
        f"{error.message}",
        where=error.where,
        hint="free some space or make it writable, then run the same command again",
    )
