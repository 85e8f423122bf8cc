"""A round rebuilt from its lock, the response log and its stored documents alone."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
from pydantic import ValidationError

from compiler.building import workers
from compiler.building.jobs import FEW_DOCUMENTS, Workers
from compiler.engine.artifact import row_digest
from compiler.engine.execute import run_steps
from compiler.engine.executors import Bench, Executor, InProcess
from compiler.engine.plan import Graph, Planned, State
from compiler.engine.stage import Stage, Step, label
from compiler.engine.store import Manifest, Store, plain
from compiler.errors import DamagedError, Problem, SpecError, StoreError
from compiler.keys import bytes_digest
from compiler.llm.batches.journal import Journal
from compiler.llm.responses import ResponseLog
from compiler.probes.tokens import TokenizerFile
from compiler.project.place import Place
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.project.slices import key_list, keys_in, request_keys, round_stages, slices
from compiler.reproduction import conflicts
from compiler.rounds.blobs import Blobs
from compiler.rounds.locks import Identity, Lock, Slice
from compiler.spec.declared import Declared, parsed
from compiler.stages import KINDS
from compiler.stages.context import Context
from compiler.stages.kind import Kind

_SOURCE = "documents.jsonl"
_ENCODER = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Missing:
    """A reply, document pack or tokenizer that a round needs and that is not stored here.

    `what`: its kind; `name`: request key or digest; `where`: the step that needs it; `place`: the
    document and slot of a reply.
    """

    what: str
    name: str
    where: str
    place: str


@dataclass
class Rebuilt:
    """The result of a rebuild, which may be partial.

    `spec_problem`: why this version cannot read the lock's spec, or "". `slices`: of each stage, by
    this version. `requests`: the key list of each paid step. `outputs`: content digests by step and
    output. `waiting`: steps that lack an input. `others`: the steps whose logged replies are not
    those that the round was built from, with the cause.
    """

    spec_problem: str = ""
    slices: dict[str, Slice] = field(default_factory=dict)
    missing: list[Missing] = field(default_factory=list)
    requests: dict[str, bytes] = field(default_factory=dict)
    outputs: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    others: dict[str, str] = field(default_factory=dict)


def needed(identity: Identity) -> list[tuple[str, str]]:
    """List the blobs that a rebuild needs, as (what, name)."""
    return [
        *(("documents", name) for name in identity.packs),
        *((f"tokenizer {name}", use.digest) for name, use in identity.tokenizers.items()),
    ]


def rebuild(
    lock: Lock,
    place: Place,
    scratch: Path,
    reporter: Reporter,
    *,
    tree: bool = False,
    jobs: int | None = None,
) -> Rebuilt:
    """Rebuild a round in `scratch`, without sending requests.

    `tree`: with the prompts and templates of the place instead of those in the lock. `jobs`: number
    of worker processes; None for one per core if the round is large.

    Raises:
        DamagedError: a stored document or reply does not have its digest.
    """
    found = Rebuilt()
    identity, blobs = lock.identity, place.blobs
    found.missing += [
        Missing(what, name, "the round", "") for what, name in needed(identity) if name not in blobs
    ]
    if found.missing:
        return found
    source = scratch / _SOURCE
    try:
        project = opened(lock, place, Store(scratch / "build"), source)
    except SpecError as error:
        found.spec_problem = error.problems[0].message
        return found
    project.journal = Journal(scratch / "batches")
    if tree:
        project.texts = None
    _write_source(identity, blobs, source)
    log, store = project.log, project.store
    try:
        context = project.context(reporter)
        graph = project.graph(context)
        stages = round_stages(graph.stages)
        found.slices = slices(stages)
        leaves = [part for part in graph.leaves if part[0] == identity.round]
        graph = Graph(identity.name, store, stages, leaves)
        small = len(identity.documents) < FEW_DOCUMENTS
        where = Workers(1 if jobs is None and small else jobs)
        with workers.executor(project, context, graph, where, reporter.notice) as crew:
            executor = crew or InProcess(Bench(store, stages))
            try:
                for stage in stages:
                    _run(_Run(context, graph, lock, log, found), stage, executor, reporter)
            finally:
                executor.close()
    finally:
        log.close()
    return found


def opened(lock: Lock, place: Place, store: Store, source: Path) -> Project:
    """Open the project of a lock: its spec, texts, tokenizers and documents, and a place's log.

    `source`: the path of the documents.

    Raises:
        SpecError: this version cannot read the lock's spec.
    """
    identity = lock.identity
    try:
        declared = _spec(identity, source)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        message = f"spec.{'.'.join(map(str, first['loc']))}: {first['msg']}"
        raise SpecError([Problem(lock.file, "", message)]) from None
    project = Project(declared, place.root, store, place.log(), place.journal())
    project.replay, project.texts = True, identity.templates
    project.tokenizers = _tokenizers(identity, place.blobs)
    project.held = {identity.round: lock}
    return project


def _spec(identity: Identity, path: Path) -> Declared:
    """Return the spec of a lock, with placeholders for fields that no row depends on."""
    tree = plain(identity.spec)
    assert isinstance(tree, dict)
    docs = len(identity.documents)
    return parsed(json.dumps(kind_of(identity).restored(tree, path, docs, identity.round + 1)))


def kind_of(identity: Identity) -> Kind:
    """Return the kind of a lock's spec."""
    return KINDS[str(identity.spec.get("kind", "probes"))]()


def documents(identity: Identity, blobs: Blobs) -> Iterator[object]:
    """Yield the documents of a round in draw order, each checked against its digest in the lock.

    Raises:
        DamagedError: a document does not have its digest, or is missing from the packs.
    """
    decoder = msgspec.json.Decoder(kind_of(identity).document)
    left = dict(identity.documents)
    for name in identity.packs:
        for line in (blobs.get(name) or b"").splitlines():
            document = decoder.decode(line)
            if left.pop(document.doc_id, None) != row_digest(document):
                raise DamagedError(
                    f"document {document.doc_id!r} does not have the digest in the lock",
                    where=str(blobs.path(name)),
                )
            yield document
    if left:
        raise DamagedError(
            f"document {next(iter(left))!r} is in no document pack", where="the round lock"
        )


def _write_source(identity: Identity, blobs: Blobs, path: Path) -> None:
    rows = kind_of(identity).rows
    with path.open("wb") as out:
        for each in documents(identity, blobs):
            for row in rows(each):
                out.write(_ENCODER.encode(row) + b"\n")


def _tokenizers(identity: Identity, blobs: Blobs) -> dict[str, TokenizerFile]:
    found = {}
    for name, use in identity.tokenizers.items():
        data = blobs.get(use.digest)
        assert data is not None, "checked before"
        # The suffix selects the file format. It comes from the lock, so nothing else may enter
        # the path.
        suffix = use.suffix if use.suffix.lstrip(".").isalnum() else ""
        found[name] = TokenizerFile(name, Path(f"{use.digest}{suffix}"), use.digest, data)
    return found


@dataclass(frozen=True)
class _Run:
    """A rebuild in progress, and its result so far."""

    context: Context
    graph: Graph
    lock: Lock
    log: ResponseLog
    found: Rebuilt

    def ready(self, stage: Stage) -> list[Planned]:
        """List the steps of a stage that have their inputs and replies."""
        return [each for step in self.graph.steps(stage) if (each := self._planned(step))]

    def _planned(self, step: Step) -> Planned | None:
        found, place = self.found, str(step)
        planned = self.graph.resolve(step)
        if planned.state is State.WAITS:
            found.waiting.append(place)
            return None
        wanted = list(request_keys(self.context, self.graph, step))
        if step.stage.weigh is not None:
            found.requests[place] = key_list(key for key, _ in wanted)
        lost = dict(each for each in wanted if each[0] not in self.log)
        if lost:
            found.missing += [Missing("reply", k, place, p) for k, p in lost.items()]
            return None
        asked = found.requests.get(place, b"")
        was = self.lock.identity.requests.get(place)
        keys = keys_in(asked)
        equal = was is not None and was.digest == bytes_digest(asked)
        if equal and conflicts.others(self.lock, place, self.log, keys):
            found.others[place] = conflicts.cause(self.log, keys)
        return planned

    def record(self, step: Step, manifest: Manifest) -> None:
        """Record the outputs of a step."""
        self.graph.record(step, manifest)
        if step.part:
            outputs = {name: a.digest for name, a in sorted(manifest.outputs.items())}
            self.found.outputs[str(step)] = outputs


def _run(run: _Run, stage: Stage, executor: Executor, reporter: Reporter) -> None:
    """Run every step of a stage that has its inputs and replies."""
    steps = len(run.graph.steps(stage))
    reporter.stage_started(stage.name, steps, steps)
    for step, made, manifest in run_steps(run.graph, run.ready(stage), executor):
        if manifest is None:
            raise StoreError(
                f"step {step} lacks replies that were in the log before",
                where=str(run.log.path),
                hint="change nothing there while a round is rebuilt, and run it again",
            )
        reporter.step_done(stage.name, label(step.part), made.seconds)
        run.record(step, manifest)
