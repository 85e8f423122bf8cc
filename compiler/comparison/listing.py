"""The requests of a build, listed step by step without sending any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.engine.plan import Graph, Planned, State
from compiler.engine.stage import Outputs, Part, Stage, Step
from compiler.engine.store import Manifest
from compiler.llm.responses import ResponseLog
from compiler.project.listing import Listed, Listing

# Stages that outcomes depend on, though no request does.
FINISHING = ("expand", "score")


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requests of one step.

    `missing`: keys that a build would send, none if the step is built; `first`: those that no
    earlier step of the stage has.
    """

    requests: list[Listed]
    missing: frozenset[bytes] = frozenset()
    first: frozenset[bytes] = frozenset()


class Walk:
    """A traversal of one build, stage by stage, that sends no requests.

    Stale steps that need no new reply run into the graph's store, which should be a Scratch.
    `listings`: by the name of the paid stage; `waiting`: steps whose inputs need missing replies.
    """

    def __init__(self, graph: Graph, log: ResponseLog, listings: Mapping[str, Listing]) -> None:
        self.graph = graph
        self.waiting: list[Planned] = []
        self._missing: dict[str, set[bytes]] = defaultdict(set)
        self._log = log
        self._listings = listings
        self._stages: dict[str, Stage] = {stage.name: stage for stage in graph.stages}

    def parts(self, stage: str) -> list[Part]:
        """List the parts of a stage; none if this build does not have the stage."""
        found = self._stages.get(stage)
        return [] if found is None else [step.part for step in self.graph.steps(found)]

    def key(self, stage: str, part: Part) -> str | None:
        """Return the key of a step; None if its inputs are missing."""
        return self.graph.resolve(Step(self._stages[stage], part)).key

    def make(self, stage: str) -> None:
        """Bring a free stage up to date, as far as its inputs exist."""
        for part in self.parts(stage):
            planned = self.graph.resolve(Step(self._stages[stage], part))
            if planned.state is not State.WAITS:
                self._record(planned)

    def requests(self, stage: str, part: Part) -> Wanted | None:
        """List the requests of a step; None if its inputs need missing replies.

        A step whose replies are all in the log is run, so that later stages can be listed too.
        """
        planned = self.graph.resolve(Step(self._stages[stage], part))
        if planned.state is State.WAITS:
            self.waiting.append(planned)
            return None
        listing = self._listings[stage]
        self._weigh(planned)
        wanted = listing.take()
        stale = planned.state is State.STALE
        missing = frozenset(e.key for e in wanted if stale and e.key.hex() not in self._log)
        found = self._noted(stage, wanted, missing)
        if not missing:
            self._record(planned)
        return found

    def body(self, stage: str, part: Part, place: str, sample: int) -> bytes:
        """Return the wire body of one listed request."""
        listing = self._listings[stage]
        listing.look(place, sample)
        self._weigh(self.graph.resolve(Step(self._stages[stage], part)))
        return listing.seen()

    def twin(self, other: Walk, stage: str, part: Part) -> bool:
        """Test if both builds have the same step and files, so that one listing suffices."""
        if self.graph.store is not other.graph.store or self._log is not other._log:
            return False
        key = self.key(stage, part)
        return key is not None and key == other.key(stage, part)

    def missing(self) -> str:
        """Describe the missing replies that later stages need; "" if there are none."""
        for stage, keys in self._missing.items():
            if keys:
                what = "reply of {} is" if len(keys) == 1 else "replies of {} are"
                return f"{len(keys):,} {what.format(stage)} not in the log"
        return ""

    def finish(self) -> str:
        """Run the free stages that were left out; return why they cannot run, or ""."""
        missing = self.missing()
        for stage in FINISHING if not missing else ():
            self.make(stage)
        return missing

    def follow(self, other: Walk, stage: str, part: Part, wanted: Wanted) -> Wanted:
        """Take over the requests and the result of a step's twin."""
        manifest = other.graph.manifest(stage, part)
        if manifest is not None:
            self.graph.record(Step(self._stages[stage], part), manifest)
        return self._noted(stage, wanted.requests, wanted.missing)

    def asking(self) -> Sequence[str]:
        """List the paid stages, in order."""
        return [stage.name for stage in self.graph.stages if stage.weigh is not None]

    def _noted(self, stage: str, wanted: list[Listed], missing: frozenset[bytes]) -> Wanted:
        before = self._missing[stage]
        found = Wanted(wanted, missing, missing - before)
        before |= found.first
        return found

    def _weigh(self, planned: Planned) -> None:
        stage = planned.step.stage
        assert stage.weigh is not None
        stage.weigh(planned.step.part, self.graph.inputs(planned.step))

    def _record(self, planned: Planned) -> None:
        manifest = planned.manifest
        if manifest is None:
            outputs = Outputs(self.graph.store)
            step = planned.step
            step.stage.run(step.part, self.graph.inputs(step), outputs)
            key = planned.key or ""
            manifest = Manifest(key, dict(planned.preimage), outputs.artifacts, 0.0)
            self.graph.store.commit(manifest)
        self.graph.record(planned.step, manifest)
