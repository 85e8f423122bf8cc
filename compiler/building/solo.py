"""The steps of a build about one document, run by themselves in a temporary store.

Stages from `generate` to `judge` read nothing of other documents. So the request or reply of one
document can be shown as soon as its own replies are in the log, whatever the rest of its shard
lacks, and nothing is written to the build directory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory

from msgspec.structs import replace

from compiler.engine.artifact import Artifact, Row
from compiler.engine.execute import run_step
from compiler.engine.plan import Graph, State
from compiler.engine.scratch import Scratch
from compiler.engine.stage import Inputs, Outputs, Part, Stage, Step, Unsettled
from compiler.errors import UsageError
from compiler.llm.responses import ResponseLog
from compiler.probes import sampling
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord, DocumentId, Skip
from compiler.spec.paid import Role
from compiler.stages import draws
from compiler.stages.asking import ASKING
from compiler.stages.context import Context


@dataclass
class Solo:
    """One document, with the outputs of the stages that were run about it.

    `computed`: roles of free providers whose replies are not in the log, so they were made here.
    """

    project: Project
    context: Context
    graph: Graph
    part: Part
    record: DocRecord
    spare: ResponseLog
    computed: list[Role] = field(default_factory=list)
    _made: dict[str, list[tuple[Part, Artifact]]] = field(default_factory=dict)

    def run(self, *names: str) -> None:
        """Run stages about the document; those that were run are not run again.

        Raises:
            Unsettled: a reply is not in the log, and its provider is not free.
            DamagedError: a reply is damaged.
        """
        if not self._made:
            self._made["sample.records"] = [(self.part, self.graph.store.write_rows([self.record]))]
        for name in names:
            if not self.has(name):
                outputs = self._outputs(_stage(self.graph, name))
                for output, artifact in outputs.artifacts.items():
                    self._made[f"{name}.{output}"] = [(self.part, artifact)]

    def has(self, name: str) -> bool:
        """Test if a stage was run about the document."""
        return any(need.startswith(f"{name}.") for need in self._made)

    def rows(self, need: str, row: type[Row]) -> list[Row]:
        """Return the rows of an output of a stage that was run."""
        return [*self.inputs().rows(need, row)]

    def inputs(self) -> Inputs:
        """Return all outputs so far, for functions that read the inputs of a stage."""
        return Inputs(self.graph.store, self._made)

    def _outputs(self, stage: Stage) -> Outputs:
        outputs = Outputs(self.graph.store)
        try:
            stage.run(self.part, self.inputs(), outputs)
        except Unsettled:
            dispatcher = self.context.dispatchers[ASKING[stage.name]]
            if not dispatcher.provider.free:
                raise
            assert stage.prepare is not None
            assert stage.settle is not None
            dispatcher.log = self.spare
            stage.prepare(self.part, self.inputs())
            stage.settle()
            outputs = Outputs(self.graph.store)
            stage.run(self.part, self.inputs(), outputs)
            dispatcher.log = self.project.log
            self.computed.append(ASKING[stage.name])
        return outputs


@contextmanager
def documents(project: Project, doc_id: str | None) -> Iterator[Iterator[Solo]]:
    """Open a document of a plan, or None for all in draw order, as far as they are sampled.

    The source is read and the document's shard sampled here, if that is not done yet; without a
    `doc_id`, of the first shard.

    Raises:
        UsageError: no round draws the document, or it has no usable sibling; or the source or a
            tokenizer must be fetched first.
    """
    project.require_local()
    with TemporaryDirectory(prefix="probec-solo-") as folder:
        spare = ResponseLog(Path(folder) / "state/responses.sqlite")
        own = replace(project, store=Scratch(Path(folder) / "build", project.store), log=spare)
        context = own.context(Silent())
        for dispatcher in context.dispatchers.values():
            dispatcher.log = project.log
        graph = own.graph(context)
        try:
            yield _opened(project, context, graph, spare, doc_id)
        finally:
            for dispatcher in context.dispatchers.values():
                dispatcher.close()
            spare.close()
            project.log.close()


def _opened(
    project: Project, context: Context, graph: Graph, spare: ResponseLog, doc_id: str | None
) -> Iterator[Solo]:
    _bring(graph, Step(_stage(graph, "ingest"), ()))
    stage = _stage(graph, "sample")
    parts = [step.part for step in graph.steps(stage)]
    if doc_id is not None:
        parts = [_part(context, graph, doc_id)]
    for number, part in enumerate(parts):
        step = Step(stage, part)
        if number and graph.resolve(step).state is not State.FRESH:
            return
        _bring(graph, step)
        manifest = graph.manifest(stage.name, part)
        assert manifest is not None
        for record in graph.store.rows(manifest.outputs["records"], DocRecord):
            if doc_id in (None, record.doc_id):
                yield Solo(project, context, graph, part, record, spare)
                if doc_id is not None:
                    return
        if doc_id is not None:
            skips = [row.reason for row in graph.store.rows(manifest.outputs["skips"], Skip)]
            raise UsageError(
                f"document {doc_id!r} has no usable sibling",
                hint=f"skipped in its shard: {', '.join(sorted(set(skips)))}; see siblings in the "
                "spec",
            )


def _bring(graph: Graph, step: Step) -> None:
    """Bring a step up to date in the temporary store."""
    planned = graph.resolve(step)
    graph.record(step, planned.manifest or run_step(graph, planned, Silent()))


def _part(context: Context, graph: Graph, doc_id: str) -> Part:
    """Return the shard of a document."""
    step = Step(_stage(graph, "sample"), graph.leaves[0])
    for index in range(len(context.spec.rounds)):
        ids = [each.doc_id for each in draws.drawn(context, "ingest", index, step, graph)]
        if doc_id in ids:
            place = ids.index(doc_id)
            shards = sampling.shards(len(ids), context.spec.shard_docs)
            return index, next(n for n, places in enumerate(shards) if place in places)
    known = any(row.doc_id == doc_id for row in graph.inputs(step).rows("ingest.ids", DocumentId))
    raise UsageError(
        f"document {doc_id!r} was not drawn{'' if known else ' and is not in the source'}",
        hint="more documents are drawn by more rounds"
        if known
        else "doc ids are in the dataset's doc_id column",
    )


def _stage(graph: Graph, name: str) -> Stage:
    return next(stage for stage in graph.stages if stage.name == name)
