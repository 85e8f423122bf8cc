"""The plan of a build: which steps are stale, and why. It reads manifests and writes nothing."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from enum import StrEnum

from msgspec import Struct

from compiler.engine.artifact import Artifact
from compiler.engine.explain import Change, changes
from compiler.engine.stage import Inputs, Part, Stage, Step, label
from compiler.engine.store import Manifest, Store
from compiler.keys import Json, digest


class State(StrEnum):
    """The state of a step before a build: up to date, stale, or waiting for an upstream step."""

    FRESH = "fresh"
    STALE = "stale"
    WAITS = "waits"


class Planned(Struct, frozen=True):
    """A step with its state, its key and, if it is stale, the reason.

    In state WAITS an upstream step must run first, so there is no key yet; if that step produces
    the content of the last build, this one is up to date (early cutoff). `preimage`: the fields
    that the key is a digest of; `changes`: those that differ from the last build.
    """

    step: Step
    state: State
    key: str | None
    preimage: dict[str, Json]
    changes: tuple[Change, ...]
    reason: str
    manifest: Manifest | None


class Graph:
    """The steps of one build over one store, with the manifests of finished steps.

    `leaves`: the finest parts of the work; the parts of coarser stages are prefixes of these.
    `like`: the build that changes are explained by as long as this one was never built.
    """

    def __init__(
        self,
        build: str,
        store: Store,
        stages: Sequence[Stage],
        leaves: Sequence[Part],
        like: str | None = None,
    ) -> None:
        self.build = build
        self._like = like or build
        self.store = store
        self.stages = tuple(stages)
        self.leaves = tuple(leaves)
        self._parts = {stage.name: self._cut(stage.depth) for stage in self.stages}
        self._depths = {stage.name: stage.depth for stage in self.stages}
        # Stage -> every prefix of its parts -> the parts with that prefix.
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
        """Return the steps of one stage, in part order."""
        return [Step(stage, part) for part in self._parts[stage.name]]

    def plan(self) -> list[Planned]:
        """Return the plan of every step, in topological order."""
        planned: list[Planned] = []
        for stage in self.stages:
            for step in self.steps(stage):
                found = self.resolve(step)
                planned.append(found)
                if found.manifest is not None:
                    self.record(step, found.manifest)
        return planned

    def record(self, step: Step, manifest: Manifest) -> None:
        """Record a finished step, so that steps that need it can be resolved."""
        self._done[step.stage.name, step.part] = manifest

    def manifest(self, stage: str, part: Part = ()) -> Manifest | None:
        """Return the manifest of a step, None if it is not finished."""
        return self._done.get((stage, part))

    def manifests(self, stage: str) -> list[tuple[Part, Manifest]]:
        """Return the manifests of a stage's finished steps, in part order."""
        return [
            (part, self._done[stage, part])
            for part in self._parts[stage]
            if (stage, part) in self._done
        ]

    def resolve(self, step: Step) -> Planned:
        """Determine the state of one step from the steps recorded so far."""
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
        """Return the inputs of a step; all of its upstream steps must be finished."""
        return Inputs(self.store, self.needs(step))

    def _related(self, stage: str, part: Part) -> Sequence[Part]:
        """Return the parts of a stage that contain this one or lie within it."""
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
        """Return the artifacts of a step's inputs by need; its upstream steps must be finished."""
        found: dict[str, list[tuple[Part, Artifact]]] = {}
        for need in (*step.stage.needs, *step.stage.asides):
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
            if need not in stage.asides
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
        place = step.stage.name, label(step.part)
        last = self.store.head(self.build, *place) or self.store.head(self._like, *place)
        if last is None:
            return (), "never built"
        if last == key:
            return (), "its outputs are missing or incomplete"
        before = self.store.preimage(last)
        if before is None:
            return (), "its last manifest is missing"
        moved = tuple(sorted(changes(before, preimage)))
        return moved, "; ".join(str(change) for change in moved[:3])
