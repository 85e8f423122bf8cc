"""Clients killed (SIGKILL) when the ledger moves, counted at the server, printed as a table.

usage: python -m benchmarks.kills [--seeds N]

Each trial forks a client of the rehearsal server that kills itself at one moment of its paid path,
at the occurrence that its seed draws; the next client finishes. `accepted`: requests that the
server served and billed. `logged`: replies in the log. `lost`: requests without a reply at the end.
`extra`: billed requests without a reply of their own. `reported`: requests that the client reports
as possibly billed without a reply in the log.
"""

from __future__ import annotations

import argparse
import hashlib
import itertools
import os
import random
import signal
import tempfile
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from benchmarks.batches import MODEL, RATE, Watcher
from compiler.commands.arguments import at_least_one
from compiler.llm import intents
from compiler.llm.batches import reconcile
from compiler.llm.batches.clock import Pace, WallClock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.batches.states import Event
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Purpose, Request, encode
from compiler.llm.providers import Settings, provider
from compiler.llm.providers.anthropic import client
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from compiler.report.terminal import table
from compiler.servers import stream

COUNT = 12
# Seconds after which a client that was not killed counts as stuck.
_STUCK = 60.0
# Seconds at which the server's list is searched: it lists a new batch at once.
_LOOKS = (0.0, 0.2, 0.4, 0.6, 1.0)

# Sets the kill of a client: the number of the occurrence, and the server.
Arm = Callable[[int, Rehearsal], None]


@dataclass(frozen=True)
class Moment:
    """A moment at which a client is killed. `fault`: what the server does meanwhile, and where."""

    provider: str
    name: str
    arm: Arm
    fault: str = ""


@dataclass(frozen=True)
class Trial:
    """The counts of one trial."""

    moment: Moment
    seed: int
    accepted: int
    logged: int
    lost: int
    reported: int

    @property
    def extra(self) -> int:
        """Count the billed requests without a reply of their own."""
        return self.accepted - self.logged


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _at(owner: object, name: str, *, before: bool) -> Arm:
    """Kill before or after the n-th call of a function."""

    def arm(number: int, _: Rehearsal) -> None:
        real, calls = getattr(owner, name), itertools.count(1)

        def patched(*args: object, **values: object) -> object:
            # In one step, because several threads may call it.
            mine = next(calls) == number
            if mine and before:
                _die()
            done = real(*args, **values)
            if mine:
                _die()
            return done

        setattr(owner, name, patched)

    return arm


def _event(event: Event, *, before: bool) -> Arm:
    """Kill before or after the journal makes an event durable for the n-th time."""

    def arm(number: int, _: Rehearsal) -> None:
        real, left = Journal.move, [number]

        def move(
            self: Journal, shard: Shard, what: Event, now: float, detail: str = "", **values: object
        ) -> Shard:
            left[0] -= what is event
            mine = what is event and left[0] == 0
            if mine and before:
                _die()
            done = real(self, shard, what, now, detail, **values)
            if mine:
                _die()
            return done

        Journal.move = move  # pyrefly: ignore[bad-assignment, method-assign]

    return arm


def _commit(*, before: bool) -> Arm:
    """Kill before or after the n-th commit of new replies."""

    def arm(number: int, _: Rehearsal) -> None:
        real, left = ResponseLog.commit, [number]

        def commit(self: ResponseLog) -> None:
            new = self._new > 0
            left[0] -= new
            if new and before and left[0] == 0:
                _die()
            real(self)
            if new and left[0] == 0:
                _die()

        setattr(ResponseLog, "commit", commit)  # noqa: B010

    return arm


def _served(name: str) -> Arm:
    """Kill when the server has served the n-th call of a client method and holds its response."""

    def arm(number: int, server: Rehearsal) -> None:
        real, left = getattr(Client, name), [number]
        count = "posts" if name == "send" else "messages"
        before = cast(int, server.ledger()[count])

        def watch() -> None:
            while cast(int, server.ledger()[count]) < before + number:
                time.sleep(0.01)
            # A batch is counted when its body begins to arrive.
            time.sleep(0.2)
            _die()

        def patched(*args: object, **values: object) -> object:
            left[0] -= 1
            if left[0] == 0:
                threading.Thread(target=watch, daemon=True).start()
            return real(*args, **values)

        setattr(Client, name, patched)

    return arm


def _downloading(number: int, _: Rehearsal) -> None:
    """Kill after the first piece of the n-th results."""
    real, left = Client.stream, [number]

    @contextmanager
    def streaming(self: Client, path: str) -> Iterator[Iterator[bytes]]:
        left[0] -= 1

        def pieces(chunks: Iterator[bytes]) -> Iterator[bytes]:
            for place, chunk in enumerate(chunks):
                if place and left[0] == 0:
                    _die()
                yield chunk

        with real(self, path) as chunks:
            yield pieces(chunks)

    setattr(client, "_CHUNK", 300)  # noqa: B010
    setattr(Client, "stream", streaming)  # noqa: B010


BATCH, LIVE = "anthropic-batch", "anthropic"
MOMENTS = (
    Moment(BATCH, "before the intent", _event(Event.INTENT, before=True)),
    Moment(BATCH, "after the intent, before POST", _event(Event.INTENT, before=False)),
    Moment(BATCH, "after POST, before the response", _served("send"), "create"),
    Moment(BATCH, "response not yet journaled", _event(Event.ACCEPTED, before=True)),
    Moment(BATCH, "response journaled", _event(Event.ACCEPTED, before=False)),
    Moment(BATCH, "while results stream", _downloading),
    Moment(BATCH, "results stored, not applied", _event(Event.DOWNLOADED, before=False)),
    Moment(BATCH, "before the log's commit", _commit(before=True)),
    Moment(BATCH, "after the log's commit", _commit(before=False)),
    Moment(BATCH, "before the batch is closed", _event(Event.APPLIED, before=True)),
    Moment(BATCH, "before the log is closed", _at(ResponseLog, "close", before=True)),
    Moment(LIVE, "before the intent", _at(intents.Intents, "send", before=True)),
    Moment(LIVE, "after the intent, before POST", _at(intents.Intents, "send", before=False)),
    Moment(LIVE, "after POST, before the response", _served("message"), "messages"),
    Moment(LIVE, "while the reply streams", _at(stream, "_grow", before=True)),
    Moment(LIVE, "reply received, not logged", _at(ResponseLog, "put", before=True)),
    Moment(LIVE, "before the log's commit", _commit(before=True)),
    Moment(LIVE, "after the commit, intent open", _commit(before=False)),
    Moment(LIVE, "after the intent is closed", _at(intents, "end", before=False)),
    Moment(LIVE, "before the log is closed", _at(ResponseLog, "close", before=True)),
)
# Moments that occur once in a run.
_ONCE = ("before the log is closed",)


class Run:
    """The paid path of one role in a folder, with requests that differ between trials."""

    def __init__(self, moment: Moment, url: str, folder: Path, salt: str) -> None:
        self._salt = salt
        self.journal = Journal(folder / "batches")
        self.log = ResponseLog(folder / "responses.sqlite")
        limits = Limits(5, 1_000_000, 100_000)
        travel = BatchSettings(self.journal, limits, Pace(0.1, 0.1, True), WallClock(), Watcher())
        purpose = Purpose("kills", "answerer", 0, moment.provider, MODEL, RATE, RATE.usd(700, 80))
        purse = Purse(1e9)
        settings = Settings(url, 4, 600.0, purse, travel)
        made = provider(moment.provider, settings)
        self.dispatcher = Dispatcher(made, self.log, purse, purpose, lambda *_: None)

    def requests(self) -> list[Request]:
        """Return the requests of the trial."""
        ask = f"<context>A ship left at dawn.</context><question>{self._salt}: %d?</question>"
        return [Request(MODEL, "Answer.", ask % n, 800, None) for n in range(COUNT)]

    def settle(self) -> None:
        """Send what has no reply yet."""
        self.lost = intents.close_lost(self.journal, self.log.__contains__)
        for number, request in enumerate(self.requests()):
            self.dispatcher.want(request, range(1), 0, f"request {number}")
        self.dispatcher.settle()
        self.log.close()
        self.journal.close()


def trial(moment: Moment, seed: int, server: Rehearsal, folder: Path) -> Trial:
    """Kill one client, let the next one finish, and count at the server."""
    number = random.Random(f"{moment.name} {seed}").randint(1, 3)
    if moment.name in _ONCE:
        number = 1
    salt = f"{moment.provider} {moment.name} {seed}"
    if moment.fault:
        server.faults([{"at": moment.fault, "do": {"hang": 1.5}, "skip": number - 1}])
    with warnings.catch_warnings():
        # The child execs nothing and only uses threads that it starts itself.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if not child:
        try:
            moment.arm(number, server)
            Run(moment, server.base_url, folder, salt).settle()
        finally:
            # Never reached where the moment occurs.
            os._exit(1)
    _wait(child, salt)
    server.faults([])
    run = Run(moment, server.base_url, folder, salt)
    run.settle()
    answered = cast(dict[str, int], server.ledger()["answered"])
    bodies = [encode(run.dispatcher.provider, each) for each in run.requests()]
    accepted = sum(answered.get(hashlib.sha256(body).hexdigest(), 0) for body in bodies)
    keys = [key for each in run.requests() for key in run.dispatcher.keys(each, range(1))]
    logged = sum(key in run.log for key in keys)
    reported = intents.unlogged(run.journal).requests
    run.log.close()
    run.journal.close()
    return Trial(moment, seed, accepted, logged, COUNT - logged, reported)


def _wait(child: int, what: str) -> None:
    until = time.monotonic() + _STUCK
    while time.monotonic() < until:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            if not os.WIFSIGNALED(status):
                raise RuntimeError(f"the client was not killed: {what}")
            return
        time.sleep(0.01)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise RuntimeError(f"the client did not reach the moment: {what}")


def trials(seeds: int, folder: Path, moments: Sequence[Moment] = MOMENTS) -> list[Trial]:
    """Run every moment with each seed."""
    found = []
    looks = reconcile._LOOKS
    setattr(reconcile, "_LOOKS", _LOOKS)  # noqa: B010
    try:
        with Rehearsal.start(folder / "server", latency=0.3) as server:
            for place, moment in enumerate(moments):
                for seed in range(seeds):
                    found.append(trial(moment, seed, server, folder / f"{place}-{seed}"))
    finally:
        setattr(reconcile, "_LOOKS", looks)  # noqa: B010
    return found


def shown(found: Sequence[Trial]) -> str:
    """Format the trials, with the seeds of a moment in one row."""
    rows = []
    for moment in dict.fromkeys(each.moment for each in found):
        own = [each for each in found if each.moment is moment]
        kind = "batch" if moment.provider == BATCH else "live"
        columns = ("accepted", "logged", "lost", "extra", "reported")
        cells = (" ".join(str(getattr(each, name)) for each in own) for name in columns)
        rows.append((kind, moment.name, *cells))
    head = ("path", "killed", "accepted", "logged", "lost", "extra", "reported")
    return table(head, rows)


def main() -> None:
    """Run all moments and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=at_least_one, default=3)
    seeds = parser.parse_args().seeds
    os.environ.setdefault("ANTHROPIC_API_KEY", "test-key")
    os.environ["NO_PROXY"] = "127.0.0.1"
    with tempfile.TemporaryDirectory() as folder:
        found = trials(seeds, Path(folder))
    print(f"{COUNT} requests a trial, {seeds} seeds; the values of a row are those of its seeds\n")
    print(shown(found))


if __name__ == "__main__":
    main()
