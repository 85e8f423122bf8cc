"""What a build would ask, and cost, at most: calls times expected tokens times prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass

from compiler.commands.wire import Project
from compiler.engine.plan import Planned, State
from compiler.keys import Json
from compiler.llm.providers import FREE
from compiler.probes import sampling
from compiler.spec.model import WrittenScope
from compiler.stages.context import Role

_STAGES: dict[str, Role] = {"generate": "generator", "answer": "answerer", "judge": "judge"}


@dataclass(frozen=True)
class Estimate:
    """The most that one role may be asked, in calls, tokens and US dollars."""

    role: str
    provider: str
    model: str
    calls: int
    input_tokens: int
    output_tokens: int
    usd: float

    def data(self) -> Json:
        """As JSON."""
        return asdict(self)


def estimate(project: Project, steps: Sequence[Planned] | None) -> list[Estimate]:
    """Per role, over the steps that are not fresh; over the whole spec when `steps` is None.

    Assumes that every slot of a document becomes a probe, so it is an upper bound but for tokens.
    """
    spec = project.spec
    written = sum(s.slots for s in spec.scopes.values() if isinstance(s, WrittenScope))
    rollouts = spec.scoring.rollouts
    per_document = {"generator": 1, "answerer": written * rollouts, "judge": written * rollouts}
    found = []
    for stage, role in _STAGES.items():
        documents = _documents(project, stage, steps)
        use = getattr(spec.models, role)
        if not documents or use.provider in FREE:
            continue
        calls = documents * per_document[role]
        expected = getattr(spec.expect, role)
        tokens = calls * expected.input, calls * expected.output
        usd = project.rate(role).usd(*tokens)
        found.append(Estimate(role, use.provider, use.model, calls, *tokens, usd))
    return found


def total(costs: Sequence[Estimate]) -> float:
    """US dollars of all roles."""
    return sum(each.usd for each in costs)


def _documents(project: Project, stage: str, steps: Sequence[Planned] | None) -> int:
    rounds = [each.docs for each in project.spec.rounds]
    if steps is None:
        return sum(rounds)
    shards = [sampling.shards(docs, project.spec.shard_docs) for docs in rounds]
    stale = [
        step.step.part
        for step in steps
        if step.step.stage.name == stage and step.state is not State.FRESH
    ]
    return sum(len(shards[index][shard]) for index, shard in stale)
