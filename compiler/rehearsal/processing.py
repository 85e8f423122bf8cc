"""The processor of batches: one thread that answers each batch when it is due, earliest first.

It stores nothing before the whole batch is answered. It then writes the results file, and one
transaction records the usage and ends the batch; if it is killed in between, the batch is processed
again.
"""

from __future__ import annotations

import hashlib
import os
import signal
import threading
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import msgspec

from compiler.keys import Json
from compiler.rehearsal import bodies
from compiler.rehearsal.catalogue import Catalogue
from compiler.rehearsal.clock import Clock
from compiler.rehearsal.faults import Actions, Faults, Rule
from compiler.rehearsal.respond import Answer, answer, params_digest
from compiler.rehearsal.store import Batch, Store
from compiler.rehearsal.validation import refusal

# Results are shuffled within windows of this number of lines, because a window is held in memory.
_WINDOW = 1024
# The longest sleep in seconds, in case the system clock is changed.
_NAP = 0.5


@dataclass(slots=True)
class _Tally:
    """The running totals of a batch while it is processed.

    `times`: params digest -> responses. `prefixes`: digests of newly cached prompt prefixes.
    """

    counts: Counter[str] = field(default_factory=Counter)
    times: Counter[bytes] = field(default_factory=Counter)
    prefixes: set[bytes] = field(default_factory=set)
    totals: Counter[str] = field(default_factory=Counter)
    usd: float = 0.0


class Processor(threading.Thread):
    """The thread that processes batches when they are due."""

    def __init__(
        self, state: Path, clock: Clock, faults: Faults, catalogue: Catalogue, *, echo: bool
    ) -> None:
        super().__init__(name="processor", daemon=True)
        self._state = state
        self._clock = clock
        self._faults = faults
        self._catalogue = catalogue
        self._echo = echo
        self._wake = threading.Event()

    def wake(self) -> None:
        """Make the thread check for due batches now."""
        self._wake.set()

    def run(self) -> None:
        """Process batches until the process ends."""
        try:
            self._work()
        finally:
            # Without this thread no batch would ever end, so the server must stop visibly.
            os.kill(os.getpid(), signal.SIGTERM)

    def _work(self) -> None:
        store = Store(self._state / "state.sqlite")
        while True:
            self._wake.clear()
            waiting = [(b.due, b.seq, b) for b in store.open() if b.due is not None]
            first = min(waiting, default=None)
            left = _NAP if first is None else self._clock.real_seconds_until(first[0])
            if first is not None and left == 0:
                self._end(store, first[2])
            else:
                self._wake.wait(min(left, _NAP))

    def _end(self, store: Store, batch: Batch) -> None:
        tally = _Tally()
        rules = self._faults.on_requests(batch.own) if batch.own is not None else []
        active = [rule for rule in rules if not rule.skip]
        part = self._state / "batches" / f"{batch.id}.part"
        with part.open("wb") as file:
            for line in _shuffled(self._lines(store, batch, active, tally), str(batch.seq)):
                file.write(line)
        part.replace(results_path(self._state, batch))
        with self._faults.lock, store.transaction():
            # The batch may have been canceled meanwhile; its requests are answered all the same.
            now = store.find(batch.id) or batch
            store.update(
                replace(
                    now,
                    ended=max(batch.due or 0.0, now.cancel or 0.0),
                    status="ended",
                    succeeded=tally.counts["succeeded"],
                    errored=tally.counts["errored"],
                    canceled=tally.counts["canceled"],
                    expired=tally.counts["expired"],
                )
            )
            store.answer(tally.times.items())
            store.keep_prefixes(tally.prefixes)
            for name, amount in (*tally.totals.items(), ("usd", tally.usd)):
                store.add(name, amount)
            self._faults.used(store, rules)

    def _lines(
        self, store: Store, batch: Batch, rules: Sequence[Rule], tally: _Tally
    ) -> Iterator[bytes]:
        reached = batch.reached
        foreign = _foreign_message()
        for position, (custom_id, params) in enumerate(_requests(self._state, batch)):
            fault = Actions()
            if position < reached:
                named = (rule.do for rule in rules if rule.names(batch.own or 0, position))
                fault = next(named, fault)
            else:
                fault.canceled = batch.cancel is not None
                fault.expired = batch.cancel is None
            if batch.own is None and position < reached:
                result: dict[str, Json] = {"type": "succeeded", "message": foreign}
            else:
                result = self._result(store, batch, params, fault, tally)
            # An unknown type has no count, and the counts must add up to the number of requests.
            kind = str(result["type"])
            tally.counts[kind if kind in _TERMINAL else "errored"] += 1
            yield msgspec.json.encode({"custom_id": custom_id, "result": result}) + b"\n"

    def _result(
        self, store: Store, batch: Batch, params: object, fault: Actions, tally: _Tally
    ) -> dict[str, Json]:
        if fault.canceled or fault.expired:
            return {"type": "canceled" if fault.canceled else "expired"}
        if fault.unknown is not None:
            return {"type": fault.unknown}
        if fault.errored is not None:
            return _errored(fault.errored.type, fault.errored.message, flat=fault.flat)
        refused = refusal(params, batch.version, self._catalogue, batched=True)
        if refused is not None:
            return _errored(refused.type, refused.message)
        assert isinstance(params, dict)
        try:
            digest = params_digest(params)
        except ValueError as error:
            return _errored("invalid_request_error", str(error))
        sample = store.times(digest) + tally.times[digest]
        given = answer(
            params,
            digest,
            sample,
            "batch",
            echo=self._echo,
            cached=lambda prefix: prefix in tally.prefixes or store.has_prefix(prefix),
            fault=fault,
        )
        tally.times[digest] += 1
        self._book(given, tally)
        return {"type": "succeeded", "message": given.message}

    def _book(self, given: Answer, tally: _Tally) -> None:
        tally.prefixes.update(given.prefixes)
        tally.totals.update(totals(given))
        tally.usd += self._catalogue.usd(given.usage, "batch")


_TERMINAL = ("succeeded", "errored", "canceled", "expired")


def totals(given: Answer) -> dict[str, int]:
    """Return the amounts that one response adds to the ledger, without its price."""
    usage = given.usage
    return {
        "requests": 1,
        "input_tokens": usage.input + usage.written + usage.read,
        "output_tokens": usage.output,
    }


def body_path(state: Path, batch: Batch) -> Path:
    """Return the path of a batch's body, stored as received."""
    return state / "batches" / f"{batch.id}.body"


def results_path(state: Path, batch: Batch) -> Path:
    """Return the path of an ended batch's results."""
    return state / "batches" / f"{batch.id}.results"


def _requests(state: Path, batch: Batch) -> Iterable[tuple[str, object]]:
    if batch.own is None:
        return ((f"foreign-{batch.seq}-{number}", None) for number in range(batch.n))
    return bodies.split(body_path(state, batch))


def _errored(kind: str, message: str, *, flat: bool = False) -> dict[str, Json]:
    error: dict[str, Json] = {"type": kind, "message": message}
    if flat:
        return {"type": "errored", "error": error}
    return {"type": "errored", "error": {"type": "error", "error": error, "request_id": None}}


def _foreign_message() -> dict[str, Json]:
    params: dict[str, object] = {"model": "foreign", "max_tokens": 16, "messages": []}
    return answer(params, b"", 0, "batch", echo=True, cached=lambda _: False).message


def _shuffled(lines: Iterator[bytes], seed: str) -> Iterator[bytes]:
    """Yield the lines in a pseudo-random order that is deterministic for a seed."""
    window: list[bytes] = []
    for line in lines:
        window.append(line)
        if len(window) == _WINDOW:
            yield from _mixed(window, seed)
            window.clear()
    yield from _mixed(window, seed)


def _mixed(window: Sequence[bytes], seed: str) -> list[bytes]:
    def place(index: int) -> bytes:
        return hashlib.sha256(f"{seed}/{index}".encode()).digest()

    return [window[index] for index in sorted(range(len(window)), key=place)]
