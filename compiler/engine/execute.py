"""Execution of stale steps, stage by stage; each step is committed when it finishes."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from typing import Protocol

from msgspec import Struct, field

from compiler.engine.executors import Bench, Executor, InProcess, Job, Made, declared
from compiler.engine.plan import Graph, Planned, State
from compiler.engine.stage import Outputs, Stage, Step, label
from compiler.engine.store import Manifest
from compiler.errors import StoreError


class Listener(Protocol):
    """A receiver of a build's progress."""

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """Report a stage and its number of steps, of which `stale` must run."""

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """Report a committed step and its seconds of process time."""


class Outcome(Struct):
    """Counts of an execution by stage: steps, steps that ran, and their seconds of process time."""

    steps: dict[str, int] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def up_to_date(self) -> bool:
        """True if no step ran."""
        return not any(self.ran.values())


def execute(graph: Graph, listener: Listener, executor: Executor | None = None) -> Outcome:
    """Bring every step up to date. Finished steps survive any interruption.

    `executor`: None for this process. Manifests are always committed by this process.
    """
    outcome = Outcome()
    executor = executor or InProcess(Bench(graph.store, graph.stages))
    try:
        for stage in graph.stages:
            _Pass(graph, stage, listener, executor, outcome).run()
    finally:
        executor.close()
    return outcome


def execute_together(graphs: Sequence[Graph], listeners: Sequence[Listener]) -> list[Outcome]:
    """Bring several builds up to date stage by stage, so that their requests are sent together.

    `listeners`: one for each graph. The graphs must share a store and have the same stages.
    """
    outcomes = [Outcome() for _ in graphs]
    executors = [InProcess(Bench(graph.store, graph.stages)) for graph in graphs]
    for number, stage in enumerate(graphs[0].stages):
        passes = [
            _Pass(graph, graph.stages[number], listener, executor, outcome)
            for graph, listener, executor, outcome in zip(
                graphs, listeners, executors, outcomes, strict=True
            )
        ]
        for each in passes:
            each.begin()
        if stage.settle is not None and any(each.stale for each in passes):
            stage.settle()
        for each in passes:
            each.end()
    return outcomes


class _Pass(Struct):
    """The execution of all steps of one stage."""

    graph: Graph
    stage: Stage
    listener: Listener
    executor: Executor
    outcome: Outcome
    stale: list[Planned] = field(default_factory=list)
    _unsettled: list[Planned] = field(default_factory=list)
    _away: float = 0.0

    def run(self) -> None:
        """Bring the steps up to date."""
        self.begin()
        if self.stale and self.stage.settle is not None:
            self.stage.settle()
        self.end()

    def begin(self) -> None:
        """Run the steps whose replies are all logged, and prepare the requests of the others."""
        graph, stage, outcome = self.graph, self.stage, self.outcome
        planned = [graph.resolve(step) for step in graph.steps(stage)]
        self.stale = [entry for entry in planned if entry.state is State.STALE]
        outcome.steps[stage.name] = len(planned)
        outcome.ran[stage.name] = len(self.stale)
        self.listener.stage_started(stage.name, len(planned), len(self.stale))
        started = time.process_time()
        for entry in planned:
            if entry.manifest is not None:
                self._done(entry.step, entry.manifest)
        # The steps that lack replies are prepared first, so that their requests go out together.
        self._unsettled = self._attempt(self.stale)
        if stage.prepare is not None:
            for entry in self._unsettled:
                stage.prepare(entry.step.part, graph.inputs(entry.step))
        outcome.seconds[stage.name] = time.process_time() - started + self._away

    def end(self) -> None:
        """Run the steps whose replies were missing.

        Raises:
            StoreError: a step still lacks replies.
        """
        started, away = time.process_time(), self._away
        if self._unsettled and (left := self._attempt(self._unsettled)):
            raise StoreError(
                f"step {left[0].step} still lacks replies after its requests were sent",
                hint="run the same command again; the replies that arrived are kept",
            )
        seconds = time.process_time() - started + self._away - away
        self.outcome.seconds[self.stage.name] += seconds

    def _attempt(self, entries: Sequence[Planned]) -> list[Planned]:
        """Run steps; return those that lack replies."""
        left = set()
        for step, made, manifest in run_steps(self.graph, entries, self.executor):
            self._away += made.seconds if made.process != os.getpid() else 0.0
            if manifest is None:
                left.add(step.part)
                continue
            self._done(step, manifest)
            self.listener.step_done(self.stage.name, label(step.part), made.seconds)
        return [entry for entry in entries if entry.step.part in left]

    def _done(self, step: Step, manifest: Manifest) -> None:
        self.graph.record(step, manifest)
        place = label(step.part)
        if self.graph.store.head(self.graph.build, self.stage.name, place) != manifest.key:
            self.graph.store.set_head(self.graph.build, self.stage.name, place, manifest.key)


def run_steps(
    graph: Graph, entries: Sequence[Planned], executor: Executor
) -> Iterator[tuple[Step, Made, Manifest | None]]:
    """Run steps of one stage, and commit and yield each as it ends; None if it lacks replies."""
    if not entries:
        return
    jobs = {entry.step.part: entry for entry in entries}
    stage = entries[0].step.stage
    name = declared(stage)
    wanted = [Job(stage.name, part, name, graph.needs(entry.step)) for part, entry in jobs.items()]
    for made in executor.run(wanted):
        entry = jobs[made.job.part]
        if made.outputs is None:
            yield entry.step, made, None
            continue
        # Two stale steps may have the same key. Both then commit the same content.
        manifest = Manifest(entry.key or "", dict(entry.preimage), made.outputs, made.seconds)
        graph.store.commit(manifest)
        yield entry.step, made, manifest


def run_step(graph: Graph, entry: Planned, listener: Listener) -> Manifest:
    """Run and commit one step in this process; its inputs and replies must exist."""
    step = entry.step
    started = time.process_time()
    outputs = Outputs(graph.store)
    step.stage.run(step.part, graph.inputs(step), outputs)
    seconds = time.process_time() - started
    manifest = Manifest(entry.key or "", dict(entry.preimage), outputs.artifacts, seconds)
    graph.store.commit(manifest)
    listener.step_done(step.stage.name, label(step.part), seconds)
    return manifest
