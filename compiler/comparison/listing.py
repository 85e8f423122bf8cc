"""The requests of a build, listed step by step without sending any."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from compiler.engine.plan import Graph, Planned, State
from compiler.engine.stage import Outputs, Part, Stage, Step
from compiler.engine.store import Manifest
from compiler.keys import request_key
from compiler.llm.dispatch import Dispatcher
from compiler.llm.messages import Provider, Purpose, Request, encode
from compiler.llm.prices import Rate
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog

# Stages that outcomes depend on, though no request does.
FINISHING = ("expand", "score")


@dataclass(frozen=True, slots=True)
class Listed:
    """One listed request.

    `key`: of its wire body and sample; `place`: document and slot that it is about; `bytes`: size
    of its body; `system`: characters of its system text.
    """

    key: bytes
    place: str
    sample: int
    scope: str
    bytes: int
    system: int


@dataclass(frozen=True, slots=True)
class Wanted:
    """The requests of one step.

    `missing`: keys that a build would send, none if the step is built; `first`: those that no
    earlier step of the stage has.
    """

    requests: list[Listed]
    missing: frozenset[bytes] = frozenset()
    first: frozenset[bytes] = frozenset()


class Listing(Dispatcher):
    """A dispatcher that records the requests of a stage and sends none."""

    def __init__(self, provider: Provider, log: ResponseLog) -> None:
        none = Purpose("", "", 0, "", "", Rate(0.0, 0.0), 0.0)
        super().__init__(provider, log, Purse(0.0), none, lambda done, wanted: None)
        self._noted: list[Listed] = []
        self._focus: tuple[str, int] | None = None
        self._found: bytes | None = None

    def want(self, request: Request, samples: range, round_index: int, place: str) -> None:
        """Refuse to send: comparisons only list requests."""
        raise AssertionError("a comparison sends no requests")

    def price(self, request: Request, samples: range, place: str, scope: str) -> None:
        """Record the requests; only the body that `look` asked for is kept."""
        body = encode(self.provider, request)
        if self._focus is not None:
            if self._focus[0] == place and self._focus[1] in samples:
                self._found = body
            return
        for sample in samples:
            key = bytes.fromhex(request_key(body, sample))
            size, system = len(body), len(request.system)
            self._noted.append(Listed(key, place, sample, scope, size, system))

    def take(self) -> list[Listed]:
        """Return the requests recorded since the last call."""
        noted, self._noted = self._noted, []
        return noted

    def look(self, place: str, sample: int) -> None:
        """From now on record nothing, but keep the body of this request."""
        self._focus, self._found = (place, sample), None

    def seen(self) -> bytes:
        """Return the body that `look` asked for, and record requests again."""
        assert self._found is not None
        self._focus = None
        return self._found


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
