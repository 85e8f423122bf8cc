"""The requests of a locked round, rendered again from the lock's own texts.

A lock made from two versions of a text (the digest of one, the requests of the other) is consistent
by every other digest. The inputs of each step are read from the build directory, so no step but
the first of those that fill in templates without requests runs again.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from compiler.building.locking import slice_changes
from compiler.dataset.located import Located
from compiler.engine.plan import Graph, State
from compiler.engine.stage import Outputs, Step
from compiler.engine.store import Store
from compiler.errors import ProbecError, SpecError
from compiler.keys import bytes_digest, text_digest
from compiler.project.place import Place
from compiler.project.reporter import Silent
from compiler.project.slices import (
    FOLDERS,
    key_list,
    keys_in,
    parts_of,
    request_keys,
    round_stages,
    slices,
)
from compiler.reproduction.rebuild import opened
from compiler.rounds.locks import Identity, Lock
from compiler.stages.context import Context

_ABSENT = "the build directory lacks their inputs; `probec reproduce` makes them again"


@dataclass
class Rendered:
    """The result of a comparison.

    `requests`: number of requests rendered; `steps`: those with equal requests or outputs.
    `differences`: what the lock's texts do not give. `unchecked`: steps by the reason.
    """

    requests: int = 0
    steps: list[str] = field(default_factory=list)
    differences: list[str] = field(default_factory=list)
    unchecked: dict[str, list[str]] = field(default_factory=dict)

    def skip(self, reason: str, step: str) -> None:
        """Record a step that cannot be compared."""
        self.unchecked.setdefault(reason, []).append(step)


def render(lock: Lock, place: Place) -> Rendered:
    """Render the requests of a round from its lock, and compare their keys with the lock's.

    Sends no request and writes nothing. Needs intact artifacts and tokenizers.
    """
    identity = lock.identity
    found = Rendered(differences=[*_contradictions(identity)])
    lacking = [n for n, use in identity.tokenizers.items() if use.digest not in place.blobs]
    if lacking:
        for step in identity.requests:
            found.skip(f"the tokenizer {lacking[0]} is not stored here", step)
        return found
    try:
        project = opened(lock, place, Store(place.build), Path())
    except SpecError as error:
        for step in identity.requests:
            found.skip(f"this version cannot read the spec ({error.problems[0].message})", step)
        return found
    drawn = identity.source
    try:
        context = project.context(Silent(), located=Located("", (), drawn.digest, drawn.revision))
        graph = project.graph(context)
        stages = round_stages(graph.stages)
        leaves = [part for part in graph.leaves if part[0] == identity.round]
        own = Graph(identity.name, project.store, stages, leaves)
        _compare(context, own, lock, found)
    finally:
        project.log.close()
        project.journal.close()
    return found


def _contradictions(identity: Identity) -> Iterator[str]:
    """Find texts of the lock without the digest that a stage of the lock declares."""
    for stage, declared in identity.stages.items():
        for name, digest in declared.templates.items():
            paths = [f"{folder}/{name}" for folder in FOLDERS]
            texts = [identity.templates[path] for path in paths if path in identity.templates]
            if texts and digest not in map(text_digest, texts):
                yield f"the text of {name} is not the one that stage {stage} declares"


def _compare(context: Context, graph: Graph, lock: Lock, found: Rendered) -> None:
    identity = lock.identity
    _record(graph, lock)
    now = slices(graph.stages)
    for stage in graph.stages:
        # The first step stands for all where the steps themselves must run again.
        local = stage.weigh is None
        if local and not (stage.templates and stage.depth):
            continue
        parts = parts_of(graph, stage, identity.round)
        was = identity.stages.get(stage.name)
        moved = ["a stage that the lock does not have"]
        if was is not None:
            moved = slice_changes({stage.name: was}, {stage.name: now[stage.name]})
        for part in parts[:1] if local else parts:
            step = Step(stage, part)
            if moved:
                found.skip(f"this version declares the stage otherwise ({moved[0]})", str(step))
            elif graph.resolve(step).state is State.WAITS:
                found.skip(_ABSENT, str(step))
            else:
                _compare_step(context, graph, step, identity, found)


def _record(graph: Graph, lock: Lock) -> None:
    """Record the steps whose outputs are stored as the lock has them."""
    for stage in graph.stages:
        for part in parts_of(graph, stage, lock.identity.round) if stage.depth else ():
            step = Step(stage, part)
            key = lock.recorded.steps.get(str(step))
            manifest = graph.store.manifest(key) if key is not None else None
            if manifest is not None:
                outputs = {name: each.digest for name, each in manifest.outputs.items()}
                if outputs == lock.identity.outputs.get(str(step)):
                    graph.record(step, manifest)


def _compare_step(
    context: Context, graph: Graph, step: Step, identity: Identity, found: Rendered
) -> None:
    try:
        if step.stage.weigh is None:
            differing = _outputs(graph, step, identity.outputs[str(step)])
            what = f"outputs of {step}: {', '.join(differing)}"
        else:
            keys = key_list(key for key, _ in request_keys(context, graph, step))
            found.requests += len(keys_in(keys))
            was = identity.requests.get(str(step))
            differing = [str(step)] if was is None or was.digest != bytes_digest(keys) else []
            what = f"requests of {step}"
    except ProbecError as error:
        found.differences.append(f"{step} cannot be rendered from the lock's texts: {error}")
        return
    if differing:
        found.differences.append(f"{what} are not those that the lock's texts give")
    else:
        found.steps.append(str(step))


def _outputs(graph: Graph, step: Step, expected: dict[str, str]) -> list[str]:
    """Run a step again, outside the build directory; return the outputs with another digest."""
    with tempfile.TemporaryDirectory(prefix="probec-") as folder:
        outputs = Outputs(Store(Path(folder)))
        step.stage.run(step.part, graph.inputs(step), outputs)
    made = {name: artifact.digest for name, artifact in outputs.artifacts.items()}
    return [name for name in sorted(expected) if expected[name] != made.get(name)]
