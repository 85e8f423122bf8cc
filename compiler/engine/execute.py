"""Runs what is stale, stage by stage, and commits each step as it finishes."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import Protocol

from compiler.engine.plan import Graph, Planned, State
from compiler.engine.stage import Outputs, Stage, label
from compiler.engine.store import Manifest


class Listener(Protocol):
    """Hears how a build goes."""

    def stage_started(self, stage: str, steps: int, stale: int) -> None:
        """A stage with this many steps, of which `stale` must run."""

    def step_done(self, stage: str, part: str, seconds: float) -> None:
        """A step ran and is committed."""


@dataclass
class Outcome:
    """What a build did: steps per stage, how many ran, and seconds of process time in them."""

    steps: dict[str, int] = field(default_factory=dict)
    ran: dict[str, int] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)

    @property
    def up_to_date(self) -> bool:
        """Nothing ran."""
        return not any(self.ran.values())


def execute(graph: Graph, listener: Listener) -> Outcome:
    """Bring every step up to date. Finished steps survive any interruption."""
    outcome = Outcome()
    for stage in graph.stages:
        _run_stage(graph, stage, listener, outcome)
    return outcome


def _run_stage(graph: Graph, stage: Stage, listener: Listener, outcome: Outcome) -> None:
    planned = [graph.resolve(step) for step in graph.steps(stage)]
    stale = [entry for entry in planned if entry.state is State.STALE]
    outcome.steps[stage.name] = len(planned)
    outcome.ran[stage.name] = len(stale)
    listener.stage_started(stage.name, len(planned), len(stale))
    started = time.process_time()
    if stale and stage.prepare is not None:
        for entry in stale:
            stage.prepare(entry.step.part, graph.inputs(entry.step))
        if stage.settle is not None:
            stage.settle()
    for entry in planned:
        manifest = entry.manifest
        if manifest is None:
            manifest = run_step(graph, entry, listener)
        graph.record(entry.step, manifest)
        place = label(entry.step.part)
        if graph.store.head(graph.build, stage.name, place) != manifest.key:
            graph.store.set_head(graph.build, stage.name, place, manifest.key)
    outcome.seconds[stage.name] = time.process_time() - started


def run_step(graph: Graph, entry: Planned, listener: Listener) -> Manifest:
    """Run a step whose inputs are done, and commit it."""
    step = entry.step
    started = time.process_time()
    outputs = Outputs(graph.store)
    step.stage.run(step.part, graph.inputs(step), outputs)
    seconds = time.process_time() - started
    # Two steps of one key may both be stale at first: the second finds the first one's content.
    manifest = Manifest(entry.key or "", dict(entry.preimage), outputs.artifacts, seconds)
    graph.store.commit(manifest)
    listener.step_done(step.stage.name, label(step.part), seconds)
    return manifest
