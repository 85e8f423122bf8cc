"""Which steps a build would run, and why. Reads manifests only; runs and writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from compiler.engine.artifact import Artifact
from compiler.engine.explain import Change, changes
from compiler.engine.stage import Inputs, Part, Stage, Step, label
from compiler.engine.store import Manifest, Store
from compiler.keys import Json, digest


class State(StrEnum):
    """What a build would do with a step."""

    FRESH = "fresh"
    STALE = "stale"
    WAITS = "waits"


@dataclass(frozen=True)
class Planned:
    """A step with what is known of it before it runs.

    WAITS: an upstream step must run first; if that brings the same content as before, this one
    turns out fresh (early cutoff).
    """

    step: Step
    state: State
    key: str | None
    preimage: dict[str, Json]
    changes: tuple[Change, ...]
    reason: str
    manifest: Manifest | None


class Graph:
    """The steps of one build over one store, with the manifests known so far.

    `leaves`: the finest parts of the work; coarser stages take their prefixes.
    """

    def __init__(
        self, build: str, store: Store, stages: Sequence[Stage], leaves: Sequence[Part]
    ) -> None:
        self.build = build
        self.store = store
        self.stages = tuple(stages)
        self.leaves = tuple(leaves)
        self._parts = {stage.name: self._cut(stage.depth) for stage in self.stages}
        self._depths = {stage.name: stage.depth for stage in self.stages}
        # Stage -> every prefix of its parts -> the parts that begin so.
        self._within: dict[str, dict[Part, list[Part]]] = {}
        for name, parts in self._parts.items():
            below: dict[Part, list[Part]] = defaultdict(list)
            for part in parts:
                for length in range(len(part) + 1):
                    below[part[:length]].append(part)
            self._within[name] = dict(below)
        self._done: dict[tuple[str, Part], Manifest] = {}

    def _cut(self, depth: int) -> tuple[Part, ...]:
        return tuple(dict.fromkeys(leaf[:depth] for leaf in self.leaves))

    def steps(self, stage: Stage) -> list[Step]:
        """The steps of one stage, in part order."""
        return [Step(stage, part) for part in self._parts[stage.name]]

    def plan(self) -> list[Planned]:
        """Every step, in an order in which it could run."""
        planned: list[Planned] = []
        for stage in self.stages:
            for step in self.steps(stage):
                found = self.resolve(step)
                planned.append(found)
                if found.manifest is not None:
                    self.record(step, found.manifest)
        return planned

    def record(self, step: Step, manifest: Manifest) -> None:
        """A step is done: those that need it can be resolved."""
        self._done[step.stage.name, step.part] = manifest

    def manifest(self, stage: str, part: Part = ()) -> Manifest | None:
        """The manifest of a step that is done."""
        return self._done.get((stage, part))

    def manifests(self, stage: str) -> list[tuple[Part, Manifest]]:
        """The manifests of a stage's steps that are done, in part order."""
        return [
            (part, self._done[stage, part])
            for part in self._parts[stage]
            if (stage, part) in self._done
        ]

    def resolve(self, step: Step) -> Planned:
        """What is known of one step, given what is done."""
        missing = self._missing(step)
        if missing:
            more = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
            return Planned(step, State.WAITS, None, {}, (), f"after {missing[0]}{more}", None)
        preimage = self._preimage(step)
        key = digest("step", preimage)
        manifest = self.store.manifest(key)
        if manifest is not None:
            return Planned(step, State.FRESH, key, preimage, (), "", manifest)
        moved, reason = self._why(step, key, preimage)
        return Planned(step, State.STALE, key, preimage, moved, reason, None)

    def inputs(self, step: Step) -> Inputs:
        """What the step would read; all of its upstream steps must be done."""
        return Inputs(self.store, self.needs(step))

    def _related(self, stage: str, part: Part) -> Sequence[Part]:
        """The parts of a stage that contain this one or lie within it."""
        depth = self._depths[stage]
        if depth <= len(part):
            own = part[:depth]
            return (own,) if own in self._within[stage] else ()
        return self._within[stage].get(part, ())

    def _missing(self, step: Step) -> list[str]:
        return [
            f"{stage} {label(part)}"
            for stage in sorted(step.stage.upstream())
            for part in self._related(stage, step.part)
            if (stage, part) not in self._done
        ]

    def needs(self, step: Step) -> Mapping[str, list[tuple[Part, Artifact]]]:
        """The artifacts that the step reads, by need; all of its upstream steps must be done."""
        found: dict[str, list[tuple[Part, Artifact]]] = {}
        for need in step.stage.needs:
            stage, _, output = need.partition(".")
            found[need] = [
                (part, self._done[stage, part].outputs[output])
                for part in self._related(stage, step.part)
            ]
        return found

    def _preimage(self, step: Step) -> dict[str, Json]:
        stage = step.stage
        needs = self.needs(step)
        inputs: dict[str, Json] = {
            need: {label(part): artifact.digest for part, artifact in parts}
            for need, parts in needs.items()
        }
        if stage.narrow is not None:
            inputs.update(stage.narrow(step.part, Inputs(self.store, needs)))
        return {
            "stage": stage.name,
            "version": stage.version,
            "params": stage.params,
            "templates": dict(stage.templates),
            "inputs": inputs,
        }

    def _why(
        self, step: Step, key: str, preimage: dict[str, Json]
    ) -> tuple[tuple[Change, ...], str]:
        last = self.store.head(self.build, step.stage.name, label(step.part))
        if last is None:
            return (), "never built"
        if last == key:
            return (), "its outputs are missing or incomplete"
        before = self.store.preimage(last)
        if before is None:
            return (), "its last manifest is gone"
        moved = tuple(sorted(changes(before, preimage)))
        return moved, "; ".join(str(change) for change in moved[:3])
