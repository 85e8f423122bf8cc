"""Worker processes on this machine, each with a pipe of its own and one step at a time.

If a worker dies, its one step is given to another worker, at most three times in all. Workers
ignore Ctrl-C, which the parent handles, and exit when the parent does, because their pipe closes.
"""

from __future__ import annotations

import multiprocessing
import re
import resource
import signal
import sys
import threading
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

from msgspec.structs import replace

from compiler.engine.executors import Job, Made, Workplace
from compiler.errors import StoreError

_TRIES = 3
# In bytes.
_LARGE = 384 << 20


class Processes:
    """The executor that runs steps in at most `count` worker processes.

    Workers start when there is a step for them and stay for later stages. One whose memory has
    grown beyond 384 MiB ends with its stage: the caches of a stage are of no use to the next one,
    and both together would need more memory than either.
    """

    def __init__(self, workplace: Workplace, count: int) -> None:
        self._workplace = workplace
        self._count = count
        # Spawned, not forked, so that no lock, connection or thread of the parent is inherited.
        self._spawn = multiprocessing.get_context("spawn")
        self._idle: list[Connection] = []
        self._busy: dict[Connection, Job] = {}
        self._process: dict[Connection, BaseProcess] = {}
        self._large: set[Connection] = set()

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run the steps in parallel, as far as there are workers.

        Raises:
            StoreError: three workers died while running the same step.
        """
        waiting = deque(jobs)
        died: Counter[str] = Counter()
        while waiting or self._busy:
            self._give(waiting)
            for each in wait([*self._busy]):
                assert isinstance(each, Connection)
                job = self._busy.pop(each)
                try:
                    found = each.recv()
                except (EOFError, OSError):
                    self._kill(each)
                    died[str(job)] += 1
                    if died[str(job)] == _TRIES:
                        raise StoreError(
                            f"step {job}: {_TRIES} worker processes died while running it",
                            hint="memory may be short: run again with --jobs 1",
                        ) from None
                    waiting.appendleft(job)
                    continue
                self._idle.append(each)
                if isinstance(found, BaseException):
                    raise found
                if found.memory > _LARGE:
                    self._large.add(each)
                yield found
        for worker in self._large.intersection(self._idle):
            self._idle.remove(worker)
            self._kill(worker)

    def _give(self, waiting: deque[Job]) -> None:
        while waiting and len(self._busy) < self._count:
            worker = self._idle.pop() if self._idle else self._start()
            job = waiting.popleft()
            self._busy[worker] = job
            try:
                worker.send(job)
            except OSError:
                continue  # it is dead: its pipe is at its end, so `run` gives the step again

    def _start(self) -> Connection:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=_work, args=(theirs, self._workplace), daemon=True)
        # The worker inherits the block, because Ctrl-C may arrive before it ignores SIGINT. In this
        # process the signal is only delayed. Starting the resource tracker would unblock it.
        resource_tracker.ensure_running()
        with _held():
            process.start()
            self._process[ours] = process
        theirs.close()
        return ours

    def _kill(self, worker: Connection) -> None:
        self._large.discard(worker)
        process = self._process.pop(worker)
        worker.close()
        process.kill()
        process.join()

    def close(self) -> None:
        """Kill the workers; their unfinished steps are lost."""
        # A second Ctrl-C is delivered when all of them are gone.
        with _held():
            for worker in [*self._process]:
                self._kill(worker)
        self._idle.clear()
        self._busy.clear()


@contextmanager
def _held() -> Iterator[None]:
    """Delay Ctrl-C until the block ends."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    arrived: list[int] = []
    main = threading.current_thread() is threading.main_thread()
    # The mask is of this thread; a thread of a library may receive the signal for it.
    before = (
        signal.signal(signal.SIGINT, lambda number, _: arrived.append(number)) if main else None
    )
    try:
        yield
    finally:
        if main:
            signal.signal(signal.SIGINT, before)
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)
        if arrived:
            signal.raise_signal(signal.SIGINT)


def _work(pipe: Connection, workplace: Workplace) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bench = None
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            # Set up with the first step, so that an error of the setup is reported as the step's.
            bench = bench or workplace()
            made = bench.attempt(job)
            answer: Made | BaseException = replace(made, memory=_memory())
        except Exception as error:
            error.add_note(f"in a worker process:\n{traceback.format_exc()}")
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return  # the parent is gone


def _memory() -> int:
    if sys.platform == "linux":
        # ru_maxrss begins with the memory of the parent, which a new program has not.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        peak = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        if peak is not None:
            return int(peak[1]) << 10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10
