"""Workers of a Ray cluster. The only door to ray, which is an optional extra.

Without an exchange, every machine must see the build directory, the project and the response log
under the same path: a shared file system. The log is only read there; what is asked is asked by the
machine that builds.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import islice

from compiler.engine.executors import Bench, Job, Made, Workplace
from compiler.errors import StoreError, UsageError

_TRIES = 3
# So long may the last word to all machines take; one that is gone does not answer.
_LAST_SECONDS = 20.0


class Cluster:
    """Steps as Ray tasks, `ahead` of them in flight.

    `address`: of a running cluster, `local` to start one on this machine.
    """

    def __init__(self, workplace: Workplace, address: str, ahead: int) -> None:
        try:
            import ray
        except ImportError as error:
            raise UsageError(
                "ray is not installed", hint="pip install 'probec[ray]', or use --jobs"
            ) from error
        self._ray = ray
        # As bytes, so that a worker knows it again.
        self._workplace = pickle.dumps(workplace)
        self._ahead = ahead
        self._mine = not ray.is_initialized()
        if self._mine:
            here = address == "local"
            ray.init(
                address="local" if here else address,
                num_cpus=ahead if here else None,
                include_dashboard=False,
                log_to_driver=False,
                logging_level="error",
            )
        # A task whose worker dies is run again by Ray itself.
        self._attempt = ray.remote(num_cpus=1, max_retries=_TRIES - 1)(_attempt)
        self._flying: dict[object, Job] = {}

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all of them, wherever there is room. A job is taken when there is."""
        waiting = iter(jobs)
        flying = self._flying
        while True:
            for job in islice(waiting, self._ahead - len(flying)):
                flying[self._attempt.remote(self._workplace, job)] = job
            if not flying:
                return
            (ended, *_), _ = self._ray.wait([*flying], num_returns=1)
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
