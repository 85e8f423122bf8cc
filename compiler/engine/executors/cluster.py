"""Workers of a Ray cluster. The only door to ray, which is an optional extra.

Without an exchange, every machine must see the build directory, the project and the response log
under the same path: a shared file system. The log is only read there; what is asked is asked by the
machine that builds.
"""

from __future__ import annotations

import pickle
import socket
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, redirect_stdout
from functools import lru_cache
from itertools import islice

from compiler.engine.executors import Bench, Job, Made, Workplace
from compiler.errors import StoreError, UsageError, in_a_line

_TRIES = 3
# So many steps more than there is room for wait at the cluster, not here.
_SPARE = 2
_KNOCK_SECONDS = 10.0
# How often a cluster that ends no step is looked at, and how long it may have no machine for steps.
_LOOK_SECONDS = 20.0
_BARREN_SECONDS = 300.0
# So long may the last word to all machines take; one that is gone does not answer.
_LAST_SECONDS = 20.0


class Cluster:
    """Steps as Ray tasks, `ahead` of them in flight; None: as many as keep the cluster busy.

    `address`: of a running cluster, `local` to start one on this machine.
    """

    def __init__(self, workplace: Workplace, address: str, ahead: int | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "ray is not installed", hint="pip install 'probec[ray]', or use --jobs"
            ) from error
        self._ray = ray
        # As bytes, so that a worker knows it again.
        self._workplace = pickle.dumps(workplace)
        self._mine = not ray.is_initialized()
        # Ray tells of dead workers on stdout, which is the result's.
        self._redirected = ExitStack()
        self._redirected.enter_context(redirect_stdout(sys.stderr))
        if self._mine:
            self._join(address, ahead)
        self._ahead = ahead or _SPARE + int(ray.cluster_resources().get("CPU", 0))
        # A task whose worker dies is run again by Ray itself.
        self._attempt = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_attempt)
        self._flying: dict[object, Job] = {}

    def _join(self, address: str, ahead: int | None) -> None:
        here = address == "local"
        try:
            _knock(address)
            self._ray.init(
                address=address,
                num_cpus=ahead if here else None,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:  # Ray has many ways to say that nobody answers
            self._redirected.close()
            raise StoreError(
                f"the cluster cannot be joined: {in_a_line(error)}",
                where=address,
                hint="check its address and token (RAY_AUTH_TOKEN), or use --cluster local",
            ) from error

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all of them, wherever there is room. A job is taken when there is."""
        waiting = iter(jobs)
        flying = self._flying
        while True:
            for job in islice(waiting, self._ahead - len(flying)):
                flying[self._attempt.remote(self._workplace, job)] = job
            if not flying:
                return
            ended = self._ended()
            job = flying.pop(ended)
            try:
                found = self._ray.get(ended)
            except self._ray.exceptions.WorkerCrashedError as error:
                raise StoreError(
                    f"step {job}: {_TRIES} workers of the cluster died at it",
                    hint="memory may be short on its machines: run again with --jobs 1",
                ) from error
            if isinstance(found, BaseException):
                raise found
            yield found

    def _ended(self) -> object:
        """The next step that ends.

        Raises:
            StoreError: no machine is left that could run one; Ray would wait without a word.
        """
        barren = 0.0
        while True:
            ended, _ = self._ray.wait([*self._flying], num_returns=1, timeout=_LOOK_SECONDS)
            if ended:
                return ended[0]
            barren = 0.0 if self._ray.cluster_resources().get("CPU") else barren + _LOOK_SECONDS
            if barren >= _BARREN_SECONDS:
                raise StoreError(
                    f"the cluster has no machine that runs steps, for {barren:,.0f} s now",
                    hint="finished steps are kept: start a machine and run the same command again",
                )

    def on_every_machine(self, work: Callable[[], None]) -> None:
        """End the steps in flight, and run something once on each machine that has workers."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        for each in self._flying:
            self._ray.cancel(each, force=True)
        self._flying.clear()
        run = self._ray.remote(num_cpus=0, max_retries=0)(_do)
        told = [
            run.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(pickle.dumps(work))
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        self._ray.wait(told, num_returns=len(told), timeout=_LAST_SECONDS)

    def close(self) -> None:
        """Leave the cluster, and end it if it was started here."""
        if self._mine and self._ray.is_initialized():
            self._ray.shutdown()
        self._redirected.close()


def _knock(address: str) -> None:
    """Raise OSError if nobody listens at `host:port`; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), _KNOCK_SECONDS).close()


def _attempt(workplace: bytes, job: Job) -> Made | Exception:
    # As a value, because Ray wraps what is raised in a type of its own.
    try:
        return _bench(workplace).attempt(job)
    except Exception as error:
        return error


def _do(work: bytes) -> None:
    pickle.loads(work)()


@lru_cache(maxsize=1)
def _bench(workplace: bytes) -> Bench:
    """The bench of this worker process, which takes many steps of one build after another."""
    made: Bench = pickle.loads(workplace)()
    return made
