"""Where steps run: in this process, in processes beside it, or on a cluster.

An executor is handed steps that may run now and gives back what each one left in the store. It
commits nothing: manifests are written by the one process that holds the build directory, so a step
that dies with its worker never happened. Prices, purses and providers stay in that process too; a
step that needs a reply which is not there says so and is run again when it is.
"""

from __future__ import annotations

import gc
import os
import re
import resource
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeAlias

from compiler.engine.artifact import Artifact
from compiler.engine.stage import Inputs, Outputs, Part, Stage, Unsettled, label
from compiler.engine.store import Store
from compiler.errors import StoreError
from compiler.keys import digest

_COLLECT_AFTER = (50_000, 20, 20)

# What a worker calls to get a store and stages of its own. It must survive pickling.
Workplace: TypeAlias = "Callable[[], Bench]"


@dataclass(frozen=True, slots=True)
class Job:
    """One step, as it travels. `declared`: the digest of all that its stage declares but inputs.

    `names`: for who has not the store: what each file that the step reads is called at the
    exchange.
    """

    stage: str
    part: Part
    declared: str
    needs: Mapping[str, list[tuple[Part, Artifact]]]
    names: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.stage} {label(self.part)}"


@dataclass(frozen=True, slots=True)
class Made:
    """What a step left in the store; None when replies are missing.

    `seconds`: of process time; `process`: where it ran; `memory`: the most bytes that this process
    had so far. `names`: what each file that it left is called at the exchange, if it was left
    there.
    """

    job: Job
    outputs: dict[str, Artifact] | None
    seconds: float
    process: int
    memory: int
    names: Mapping[str, str] = field(default_factory=dict)


class Executor(Protocol):
    """Runs steps that do not depend on one another."""

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """Run all of them; each is given back as it ends, in any order.

        Raises:
            Exception: what a step raised. Other steps may have run and not be given back.
        """

    def close(self) -> None:
        """End the workers, at once."""


class Bench:
    """A store and stages bound to it: where steps run one after another.

    `otherwise`: why its stages may declare something else than those of the build, and the remedy.
    """

    otherwise = (
        "the spec, a template or a tokenizer changed while the build ran",
        "run the same command again",
    )

    def __init__(self, store: Store, stages: Sequence[Stage]) -> None:
        self.store = store
        self._stages = {stage.name: stage for stage in stages}
        # Rows are trees and their steps leave no cycles, yet looking for some every 700 objects
        # took a sixth of the time of a step. This is for the whole process: steps are its work.
        gc.set_threshold(*_COLLECT_AFTER)

    def attempt(self, job: Job) -> Made:
        """Run one step.

        Raises:
            StoreError: this bench was set up from other declarations than the build.
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
        return Made(job, found, time.process_time() - started, os.getpid(), _memory())


class InProcess:
    """Runs steps here, in order."""

    def __init__(self, bench: Bench) -> None:
        self._bench = bench

    def run(self, jobs: Iterable[Job]) -> Iterator[Made]:
        """One after another."""
        for job in jobs:
            yield self._bench.attempt(job)

    def close(self) -> None:
        """Nothing to end."""


def _memory() -> int:
    if sys.platform == "linux":
        # ru_maxrss begins with the memory of the parent, which a new program has not.
        status = Path("/proc/self/status").read_text(encoding="ascii", errors="replace")
        peak = re.search(r"^VmHWM:\s*(\d+) kB$", status, re.MULTILINE)
        if peak is not None:
            return int(peak[1]) << 10
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most << 10


def declared(stage: Stage) -> str:
    """The digest of everything that a stage declares beside its inputs."""
    made_of = [stage.name, stage.version, stage.params, dict(stage.templates)]
    return digest("declared", made_of)
