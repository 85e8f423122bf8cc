"""Client cost of a batch, of live requests and of logged replies, printed as text.

usage: python -m benchmarks.batches [--small] [--replies N]

(a) One batch of 100,000 requests and 250 MB through the rehearsal server, by a client in a process
of its own, so that peak memory and CPU are those of the client alone. (b) Live requests, compared
with two floors measured in the same run: a bare asyncio client that sends the same bytes to the
same server over the same number of persistent connections and parses nothing, and one that also
hashes each request, looks it up, parses the streamed reply and logs it. Between them and this
client are the SDK alone in the same number of threads, and with its aiohttp transport in one.
Medians of several rounds. (c) The response log.
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from benchmarks import live_clients, machine
from benchmarks.live_clients import CONCURRENCY
from compiler.commands.arguments import at_least_one
from compiler.keys import digest
from compiler.llm.batches.clock import Pace, WallClock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Outcome, Purpose, Reply, Request, encode
from compiler.llm.prices import Rate
from compiler.llm.providers import Settings, provider
from compiler.llm.providers.anthropic.client import Client
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog
from compiler.rehearsal.process import Rehearsal
from compiler.report.terminal import table

ROOT = Path(__file__).parent.parent
MODEL = "claude-haiku-4-5-20251001"
RATE = Rate(0.5, 2.5, live=2.0)
FLOOR_PURPOSE = Purpose("bench", "answerer", 0, "floor", MODEL, RATE, 0.001)


@dataclass(frozen=True)
class Sizes:
    """Sizes of the measured parts. `rounds`: of live requests, whose median counts."""

    requests: int
    batch_bytes: int
    live: int
    replies: int
    rounds: int


FULL = Sizes(100_000, 250_000_000, 2000, 200_000, 5)
SMALL = Sizes(40, 40_000, 24, 200, 1)


class Watcher:
    """An observer that ignores every event."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Ignore the event."""

    def notice(self, text: str) -> None:
        """Ignore the notice."""


def prose() -> str:
    """Return text of real rollouts, so that it compresses like real replies."""
    lines = (ROOT / "specs/data/rollouts.jsonl").read_text(encoding="utf-8").splitlines()
    return "\n".join(str(json.loads(line)["continuation"]) for line in lines)


def dispatcher(name: str, url: str, folder: Path) -> tuple[Dispatcher, Journal]:
    """Set up the paid path of one role as a build does."""
    journal, purse = Journal(folder / "batches"), Purse(1e9)
    limits = Limits(100_000, 256_000_000, 500_000)
    travel = BatchSettings(journal, limits, Pace(0.2, 0.2, True), WallClock(), Watcher())
    purpose = Purpose("bench", "answerer", 0, name, MODEL, RATE, RATE.usd(700, 1))
    settings = Settings(url, CONCURRENCY, 600.0, purse, travel)
    log = ResponseLog(folder / "responses.sqlite")
    made = Dispatcher(provider(name, settings), log, purse, purpose, lambda *_: None)
    return made, journal


def requests(count: int, size: int, first: int = 0) -> Iterator[Request]:
    """Yield different requests whose bodies have about `size` bytes."""
    text = prose()
    for number in range(first, first + count):
        at = number * 61 % (len(text) - size)
        user = f"<context>{text[at : at + size]}</context><question>{number}?</question>"
        yield Request(MODEL, "Answer.", user, 800, None)


def batch_child(url: str, folder: str, count: int, size: int) -> None:
    """Run the client of (a) and print its measurements as one line of JSON."""
    started, cpu = time.perf_counter(), time.process_time()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    made, journal = dispatcher("anthropic-batch", url, Path(folder))
    for number, request in enumerate(requests(count, size)):
        made.want(request, range(1), 0, f"request {number}")
    wanted = time.perf_counter()
    made.settle()
    shards = journal.shards()
    told = {
        "wall": time.perf_counter() - started,
        "wanted": wanted - started,
        "cpu": time.process_time() - cpu,
        "imported_mb": before / 1024,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        "replies": len(made.log),
        "sealed": {shard.sha256: [shard.n, shard.bytes] for shard in shards},
    }
    sys.stdout.write(json.dumps(told) + "\n")


def batch(sizes: Sizes, folder: Path) -> None:
    """Measure (a): send one batch and collect its results."""
    size = sizes.batch_bytes // sizes.requests
    # Bytes around the text in a body and in a batch.
    overhead = 250
    with Rehearsal.start(folder / "server", echo=True, latency=0.25) as server:
        url = server.base_url
        command = [sys.executable, "-m", "benchmarks.batches", "--child", url]
        command += [str(folder / "client"), str(sizes.requests), str(size - overhead)]
        child = subprocess.run(
            command,
            cwd=ROOT,
            env={**os.environ, "ANTHROPIC_API_KEY": "rehearsal"},
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        )
        ledger = server.ledger()
    told = json.loads(child.stdout)
    received = cast(list[dict[str, object]], ledger["batches"])
    same = {str(each["body_sha256"]) for each in received} == set(told["sealed"])
    n, size = (sum(each[i] for each in told["sealed"].values()) for i in (0, 1))
    assert told["replies"] == sizes.requests
    assert same, "what was sealed is not what the server received"
    shards = len(told["sealed"])
    print(f"(a) {sizes.requests:,} requests, 1 of them live, {n:,} in {shards} batch of {size:,} B")
    rows = [
        ("wall, s", told["wall"]),
        ("of it until all were asked for, s", told["wanted"]),
        ("CPU of the client, s", told["cpu"]),
        ("CPU a request, us", 1e6 * told["cpu"] / sizes.requests),
        ("peak memory of the client, MB", told["peak_mb"]),
        ("of it after imports, MB", told["imported_mb"]),
    ]
    print(table(("batch", "found"), rows))
    print("SHA-256 of what was sealed equals that of what the server received\n")


@dataclass(frozen=True)
class Cost:
    """CPU seconds and wall-clock seconds of this process."""

    cpu: float
    wall: float


def measured(work: Callable[[], object]) -> Cost:
    """Measure the cost of some work."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.process_time() - cpu, time.perf_counter() - wall)


BARE, LOGGING = "bare asyncio client", "bare, that parses and logs"
THREADS, AIOHTTP = "the SDK alone, 8 threads", "the SDK alone, aiohttp"
OURS = "ours, from asked to logged"


def live(sizes: Sizes, folder: Path) -> None:
    """Measure (b): live requests of this client, of the SDK alone and of two bare clients."""
    missing = live_clients.without_aiohttp()
    found: list[dict[str, Cost]] = []
    with Rehearsal.start(folder / "server", echo=True) as server:
        made, _ = dispatcher("anthropic", server.base_url, folder / "client")
        log = ResponseLog(folder / "floor.sqlite")
        # The first round is small: imports are not part of the cost of a request.
        for number, count in enumerate([CONCURRENCY] + [sizes.live] * sizes.rounds):
            asked = list(requests(count, 2000, number * sizes.live))
            found.append(one_round(server.base_url, made, log, asked, with_aiohttp=not missing))
        log.close()
        assert len(made.log) == CONCURRENCY + sizes.live * sizes.rounds
    rounds, median = found[1:], statistics.median
    cpu = {name: median(1e6 * each[name].cpu / sizes.live for each in rounds) for name in rounds[0]}
    rows = [
        (
            name,
            cpu[name],
            median(1e6 * each[name].wall / sizes.live for each in rounds),
            median(each[name].cpu / each[BARE].cpu for each in rounds),
            median(each[name].cpu / each[LOGGING].cpu for each in rounds),
        )
        for name in rounds[0]
    ]
    print(f"(b) {sizes.live:,} live requests of 2 KB, {CONCURRENCY} at once")
    print(f"medians of {sizes.rounds} rounds; ratios of CPU to both bare clients")
    print(table(("client", "CPU us", "wall us", "to bare", "to logging"), rows))
    if missing:
        print(f"{AIOHTTP}: not measured: {missing}")
    print(f"ours on top of the SDK: {cpu[OURS] - cpu[THREADS]:,.0f} us of CPU a request")
    print(f"one core of ours: {1e6 / cpu[OURS]:,.0f} requests a second\n")


def one_round(
    url: str, made: Dispatcher, log: ResponseLog, asked: list[Request], *, with_aiohttp: bool
) -> dict[str, Cost]:
    """Measure every client once."""
    bodies = [encode(made.provider, request) for request in asked]
    sdk = Client(url)
    # First connections are not part of the cost of a request.
    live_clients.threads(sdk.message, bodies[:CONCURRENCY])

    def ours() -> None:
        for number, request in enumerate(asked):
            made.want(request, range(1), 0, f"request {number}")
        made.settle()

    def alone() -> None:
        live_clients.threads(sdk.message, bodies)

    def run(work: Callable[..., Coroutine[None, None, None]], *given: object) -> Cost:
        return measured(lambda: asyncio.run(work(url, *given)))

    found = {
        BARE: run(live_clients.bare, bodies),
        LOGGING: run(live_clients.logging, asked, log, FLOOR_PURPOSE),
        THREADS: measured(alone),
    }
    if with_aiohttp:
        found[AIOHTTP] = run(live_clients.concurrent, bodies)
    found[OURS] = measured(ours)
    sdk.close()
    return found


def replies(count: int) -> Iterator[tuple[str, Reply]]:
    """Yield replies of 1 to 30 KB with their keys."""
    text = prose()
    for number in range(count):
        drawn = int.from_bytes(hashlib.sha256(b"%d" % number).digest()[:8])
        # Log-uniform: as many of 1 to 2 KB as of 15 to 30, which only the generator writes.
        size = int(1000 * 30 ** (drawn % 1000 / 1000))
        at = drawn % (len(text) - size)
        said = f"{number}: {text[at : at + size]}"
        key = digest("bench", number)
        yield key, Reply(Outcome.OK, said, MODEL, "end_turn", 1300, size // 4, key[:24], "")


def log(sizes: Sizes, folder: Path) -> None:
    """Measure (c): the response log."""
    path = folder / "log/responses.sqlite"
    keys: list[str] = []
    told = 0

    def nothing() -> None:
        for _ in replies(sizes.replies):
            pass

    def put() -> None:
        nonlocal told
        with_log = ResponseLog(path)
        purpose = Purpose("bench", "answerer", 0, "anthropic-batch", MODEL, RATE, 0.001)
        for number, (key, reply) in enumerate(replies(sizes.replies), start=1):
            with_log.put(key, reply, purpose)
            keys.append(key)
            told += len(reply.text.encode("utf-8"))
            if number % 1000 == 0:
                with_log.commit()
        with_log.close()

    def found(log: ResponseLog, wanted: list[str]) -> None:
        for key in wanted:
            assert log.get(key) is not None

    making = measured(nothing)
    putting = measured(put)
    again = ResponseLog(path)
    opening = measured(lambda: keys[0] in again)
    # Keys are digests, so their order differs from the order in the file.
    some = sorted(keys)[: min(len(keys), 20_000)]
    getting = measured(lambda: found(again, some))
    missing = measured(lambda: [digest("absent", n) in again for n in range(len(some))])
    again.close()
    size = path.stat().st_size
    count = sizes.replies
    print(f"(c) {count:,} replies, {told / count / 1000:.1f} KB of text each, 1,000 a commit")
    rows = [
        (
            "put",
            1e6 * (putting.cpu - making.cpu) / count,
            1e6 * (putting.wall - making.wall) / count,
        ),
        ("get", 1e6 * getting.cpu / len(some), 1e6 * getting.wall / len(some)),
        ("absent", 1e6 * missing.cpu / len(some), 1e6 * missing.wall / len(some)),
        ("open and look up one", 1e6 * opening.cpu, 1e6 * opening.wall),
    ]
    print(table(("response log", "CPU us", "wall us"), rows))
    print(
        f"{size / count:,.0f} B a reply on disk, "
        f"{size / told:.2f} of its text, "  # pyrefly: ignore[division-by-zero]
        f"{size / 1e6:,.0f} MB in all"
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.batches", description=__doc__)
    parser.add_argument("--small", action="store_true", help="only to see that it runs")
    parser.add_argument(
        "--replies", type=at_least_one, help="of the response log; default: 200,000"
    )
    parser.add_argument("--only", choices=("batch", "live", "log"), help="one of the parts")
    parser.add_argument("--child", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.child is not None:
        url, place, count, size = given.child
        batch_child(url, place, int(count), int(size))
        return
    os.environ.setdefault("ANTHROPIC_API_KEY", "rehearsal")
    sizes = SMALL if given.small else FULL
    if given.replies is not None:
        sizes = replace(sizes, replies=given.replies)
    parts = {"batch": batch, "live": live, "log": log}
    print(machine.described())
    for name, part in parts.items():
        if given.only in (None, name):
            with tempfile.TemporaryDirectory() as folder:
                part(sizes, Path(folder))


if __name__ == "__main__":
    main()
