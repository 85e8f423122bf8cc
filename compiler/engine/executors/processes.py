"""Workers as processes of this machine, each with one pipe, given one step at a time.

A worker that dies takes one step with it; that step goes to another worker, a few times. Workers
ignore Ctrl-C, which is the parent's to handle, and end when the parent does: their pipe closes.
"""

from __future__ import annotations

import multiprocessing
import signal
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess

from compiler.engine.executors import Job, Made, Workplace
from compiler.errors import StoreError

_TRIES = 3
# Bytes.
_LARGE = 384 << 20


class Processes:
    """At most `count` workers, started when there is work for them and kept.

    One that has grown large ends with its stage: what a stage keeps in memory to be quick is of no
    use to the next one, and together it is more than either needs.
    """

    def __init__(self, workplace: Workplace, count: int) -> None:
        self._workplace = workplace
        self._count = count
        # Spawned, not forked: no lock, connection or thread of the parent comes along.
        self._spawn = multiprocessing.get_context("spawn")
        self._idle: list[Connection] = []
        self._busy: dict[Connection, Job] = {}
        self._process: dict[Connection, BaseProcess] = {}
        self._large: set[Connection] = set()

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all of them at once, as far as there are workers."""
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
                    self._bury(each)
                    died[str(job)] += 1
                    if died[str(job)] == _TRIES:
                        raise StoreError(
                            f"step {job}: {_TRIES} worker processes died at it",
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
            self._bury(worker)

    def _give(self, waiting: deque[Job]) -> None:
        while waiting and len(self._busy) < self._count:
            worker = self._idle.pop() if self._idle else self._start()
            job = waiting.popleft()
            self._busy[worker] = job
            try:
                worker.send(job)
            except OSError:
                continue  # it is dead: its pipe says so at once, and the step is given again

    def _start(self) -> Connection:
        ours, theirs = self._spawn.Pipe()
        process = self._spawn.Process(target=_work, args=(theirs, self._workplace), daemon=True)
        # A worker inherits what is blocked: Ctrl-C may come before it can say that it ignores it.
        # Here it is only held back until the worker runs. The tracker's start would unblock it.
        resource_tracker.ensure_running()
        with _held():
            process.start()
        theirs.close()
        self._process[ours] = process
        return ours

    def _bury(self, worker: Connection) -> None:
        self._large.discard(worker)
        process = self._process.pop(worker)
        worker.close()
        process.kill()
        process.join()

    def close(self) -> None:
        """Kill the workers: what they had not finished is nobody's."""
        # Who presses Ctrl-C again is heard when they are gone.
        with _held():
            for worker in [*self._process]:
                self._bury(worker)
        self._idle.clear()
        self._busy.clear()


@contextmanager
def _held() -> Iterator[None]:
    """Ctrl-C waits until the block ends."""
    blocked = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, blocked)


def _work(pipe: Connection, workplace: Workplace) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    bench = None
    while True:
        try:
            job = pipe.recv()
        except EOFError:
            return
        try:
            # Set up with the first step, so that what goes wrong there is told as its error.
            bench = bench or workplace()
            answer: Made | BaseException = bench.attempt(job)
        except Exception as error:
            error.add_note(f"in a worker process:\n{traceback.format_exc()}")
            answer = error
        try:
            pipe.send(answer)
        except OSError:
            return  # nobody is there to hear it
