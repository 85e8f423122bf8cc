"""Workers of a Ray cluster. The only module that imports ray, which is an optional extra.

Without an exchange, every machine must see the build directory, the project and the response log
under the same path, on a shared file system. Workers only read the log; requests are sent by the
coordinator, the process that builds.
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
# Steps submitted beyond the cluster's CPUs, so that a CPU that becomes free has one waiting.
_SPARE = 2
_CONNECT_SECONDS = 10.0
# How often a cluster that finishes no step is checked for CPUs, and how long it may have none.
_LOOK_SECONDS = 20.0
_BARREN_SECONDS = 300.0
# The time limit for work on all machines, since one that is lost never answers.
_LAST_SECONDS = 20.0


class Cluster:
    """The executor that runs steps as Ray tasks.

    `address`: of a running cluster, or `local` to start one on this machine. `ahead`: steps in
    flight; None for the cluster's CPUs and a few more.
    """

    def __init__(self, workplace: Workplace, address: str, ahead: int | None) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "ray is not installed", hint="pip install 'probec[ray]', or use --jobs"
            ) from error
        self._ray = ray
        # As bytes, so that `_bench` can cache by it in the worker.
        self._workplace = pickle.dumps(workplace)
        self._mine = not ray.is_initialized()
        # Ray reports dead workers on stdout, which is reserved for the result.
        self._redirected = ExitStack()
        self._redirected.enter_context(redirect_stdout(sys.stderr))
        if self._mine:
            self._join(address, ahead)
        self._ahead = ahead or _SPARE + int(ray.cluster_resources().get("CPU", 0))
        # Ray itself retries a task whose worker died.
        self._attempt = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_attempt)
        self._flying: dict[object, Job] = {}

    def _join(self, address: str, ahead: int | None) -> None:
        here = address == "local"
        try:
            _connect(address)
            self._ray.init(
                address=address,
                num_cpus=ahead if here else None,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
        except Exception as error:  # Ray raises many types for an unreachable cluster
            self._redirected.close()
            raise StoreError(
                f"the cluster cannot be joined: {in_a_line(error)}",
                where=address,
                hint="check its address and token (RAY_AUTH_TOKEN), or use --cluster local",
            ) from error

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all steps on any machine; a job is drawn from `jobs` when it can be submitted."""
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
                    f"step {job}: {_TRIES} workers of the cluster died while running it",
                    hint="its machines may be short of memory: run again with --jobs 1",
                ) from error
            if isinstance(found, BaseException):
                raise found
            yield found

    def _ended(self) -> object:
        """Wait for the next step that ends.

        Raises:
            StoreError: the cluster has had no CPU for minutes; Ray would wait silently forever.
        """
        empty = 0.0
        while True:
            ended, _ = self._ray.wait([*self._flying], num_returns=1, timeout=_LOOK_SECONDS)
            if ended:
                return ended[0]
            empty = 0.0 if self._ray.cluster_resources().get("CPU") else empty + _LOOK_SECONDS
            if empty >= _BARREN_SECONDS:
                raise StoreError(
                    f"the cluster has had no machine that runs steps for {empty:,.0f} s",
                    hint="finished steps are kept: start a machine and run the same command again",
                )

    def on_every_machine(self, work: Callable[[], None]) -> None:
        """Cancel the steps in flight, and run `work` once on each machine of the cluster."""
        from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

        for each in self._flying:
            self._ray.cancel(each, force=True)
        self._flying.clear()
        run = self._ray.remote(num_cpus=0, max_retries=0)(_do)
        tasks = [
            run.options(
                scheduling_strategy=NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            ).remote(pickle.dumps(work))
            for node in self._ray.nodes()
            if node["Alive"]
        ]
        self._ray.wait(tasks, num_returns=len(tasks), timeout=_LAST_SECONDS)

    def close(self) -> None:
        """Leave the cluster, and stop it if it was started here."""
        if self._mine and self._ray.is_initialized():
            self._ray.shutdown()
        self._redirected.close()


def _connect(address: str) -> None:
    """Raise OSError if nothing listens at `host:port`; Ray itself would wait for minutes."""
    host, _, port = address.rpartition(":")
    if host and "/" not in host and port.isdigit():
        socket.create_connection((host, int(port)), _CONNECT_SECONDS).close()


def _attempt(workplace: bytes, job: Job) -> Made | Exception:
    # Returned, because Ray wraps raised exceptions in a type of its own.
    try:
        return _bench(workplace).attempt(job)
    except Exception as error:
        return error


def _do(work: bytes) -> None:
    pickle.loads(work)()


@lru_cache(maxsize=1)
def _bench(workplace: bytes) -> Bench:
    """Return the step runner of this worker process, set up once for all its steps of a build."""
    made: Bench = pickle.loads(workplace)()
    return made
