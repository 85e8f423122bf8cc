"""Executors of steps: in this process, in worker processes, or on a cluster.

An executor is given steps that are ready to run and returns the outputs that each one stored. It
commits nothing: manifests are written by the one process that holds the lock of the build
directory, so the step of a worker that dies is never committed. Prices, budgets and providers stay
in that process too. A step that lacks a reply raises Unsettled and runs again once it is logged.
"""

from __future__ import annotations

import gc
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import ClassVar, Protocol, TypeAlias

from msgspec import Struct, field

from compiler.engine.artifact import Artifact
from compiler.engine.stage import Inputs, Outputs, Part, Stage, Unsettled, label
from compiler.engine.store import Store
from compiler.errors import StoreError
from compiler.keys import digest

_COLLECT_AFTER = (50_000, 20, 20)

# A picklable factory, which each worker calls for a step runner of its own.
Workplace: TypeAlias = "Callable[[], Bench]"


class Job(Struct, frozen=True):
    """A step as it is sent to a worker.

    `declared`: digest of the stage's declaration, inputs excepted. `names`: file in the store ->
    its name at the exchange, for the inputs of a worker without shared storage.
    """

    stage: str
    part: Part
    declared: str
    needs: Mapping[str, list[tuple[Part, Artifact]]]
    names: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.stage} {label(self.part)}"


class Made(Struct, frozen=True):
    """The result of running a step.

    `outputs`: the stored artifacts by name, None when replies are missing. `seconds`: of process
    time. `process`: id of the process that ran it; `memory`: peak bytes of that process so far, 0
    unless it is a worker process of this machine. `names`: file in the store -> its name at the
    exchange, if the worker has no shared storage.
    """

    job: Job
    outputs: dict[str, Artifact] | None
    seconds: float
    process: int
    memory: int = 0
    names: Mapping[str, str] = field(default_factory=dict)


class Executor(Protocol):
    """An executor of steps that do not depend on one another."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all steps and yield each result as its step ends, in any order.

        Raises:
            Exception: a step raised it. The results of other steps may be lost.
        """

    def close(self) -> None:
        """Stop the workers immediately."""


class Bench:
    """A step runner: a store and the stages bound to it, in one process.

    `otherwise`: message and hint for a stage whose declaration differs from the build's.
    """

    otherwise: ClassVar[tuple[str, str]] = (
        "the spec, a template or a tokenizer changed while the build ran",
        "run the same command again",
    )

    def __init__(self, store: Store, stages: Sequence[Stage]) -> None:
        self.store = store
        self._stages = {stage.name: stage for stage in stages}
        # Rows are trees, so steps create no cycles, but collecting every 700 objects took a sixth
        # of a step's time. The setting holds for the whole process, whose work is steps.
        gc.set_threshold(*_COLLECT_AFTER)

    def attempt(self, job: Job) -> Made:
        """Run one step; its outputs are None if replies are missing.

        Raises:
            StoreError: the stage's declaration differs from the build's.
        """
        stage = self._stages[job.stage]
        if declared(stage) != job.declared:
            raise StoreError(f"step {job}: {self.otherwise[0]}", hint=self.otherwise[1])
        started = time.process_time()
        outputs = Outputs(self.store)
        try:
            stage.run(job.part, Inputs(self.store, job.needs), outputs)
            found: dict[str, Artifact] | None = outputs.artifacts
        except Unsettled:
            found = None
        return Made(job, found, time.process_time() - started, os.getpid())


class InProcess:
    """The executor that runs steps in this process, in order."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run the steps one after another."""
        for job in jobs:
            yield self._bench.attempt(job)

    def close(self) -> None:
        """Do nothing: there are no workers."""


def declared(stage: Stage) -> str:
    """Return the digest of a stage's declaration: name, version, params and templates."""
    made_of = [stage.name, stage.version, stage.params, dict(stage.templates)]
    return digest("declared", made_of)
