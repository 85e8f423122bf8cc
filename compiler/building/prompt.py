"""The rendered request of one role about one document, from the steps that are built so far."""

from __future__ import annotations

import json
from dataclasses import dataclass

from compiler.engine.plan import Graph, State
from compiler.engine.stage import Inputs
from compiler.errors import ProbecError, UsageError
from compiler.keys import Json, request_key
from compiler.llm.messages import Request, encode
from compiler.project.project import Project
from compiler.project.reporter import Silent
from compiler.records import DocRecord
from compiler.stages import generate
from compiler.stages.answering import Answering
from compiler.stages.asking import posed
from compiler.stages.context import Context, Role
from compiler.stages.judging import Judging, judged, whole

_STAGE = {"generator": "generate", "answerer": "answer", "judge": "judge"}


@dataclass(frozen=True)
class Prompt:
    """A request of a role, and its wire body in bytes."""

    role: Role
    request: Request
    body: bytes

    @property
    def key(self) -> str:
        """The request key of its first sample."""
        return request_key(self.body, 0)

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        return {"role": self.role, "key": self.key, "body": json.loads(self.body)}


def find(project: Project, role: Role, doc_id: str | None, slot: int | None) -> Prompt:
    """Render the request of a role about a document.

    `doc_id`: None for the first drawn; `slot`: of the probe, None for the first written one.

    Raises:
        UsageError: there is no such document or slot, or the policy has no such role.
        ProbecError: the request depends on steps that are not built.
    """
    project.require_local()
    context = project.context(Silent())
    request = _request(context, project.graph(context), role, doc_id, slot)
    return Prompt(role, request, encode(context.dispatchers[role].provider, request))


def text(prompt: Prompt) -> str:
    """Format a prompt for a terminal."""
    request = prompt.request
    return (
        f"# model {request.model}, max_tokens {request.max_tokens}, key of sample 0: {prompt.key}\n"
        f"----- system -----\n{request.system}\n----- user -----\n{request.user}"
    )


def _request(
    context: Context, graph: Graph, role: Role, doc_id: str | None, slot: int | None
) -> Request:
    stage = next((stage for stage in graph.stages if stage.name == _STAGE[role]), None)
    if stage is None:
        policy = context.spec.scoring.policy
        raise UsageError(f"the policy {policy} has no {role}", hint="choose another --role")
    for planned in graph.plan():
        if planned.step.stage.name == stage.name and planned.state is State.WAITS:
            raise ProbecError(
                f"the input of the {role} is not built yet: {planned.reason}",
                hint="run `probec build` with the same options first",
            )
    for step in graph.steps(stage):
        inputs = graph.inputs(step)
        for record in inputs.rows("sample.records", DocRecord):
            if doc_id in (None, record.doc_id):
                found = _of(context, role, inputs, record, slot, doc_id)
                if found is not None:
                    return found
                if doc_id is not None:
                    wanted = f"slot {slot}" if slot is not None else "a written probe"
                    raise UsageError(
                        f"document {doc_id!r} has no {wanted}", hint="see rejects.jsonl"
                    )
    if doc_id is not None:
        what, hint = (
            f"document {doc_id!r} was not drawn",
            "doc ids are in the dataset's doc_id column",
        )
    elif slot is not None:
        what, hint = f"no written probe in slot {slot}", "see rejects.jsonl beside the dataset"
    else:
        what, hint = "no written probe was built", "see rejects.jsonl beside the dataset for why"
    raise UsageError(what, hint=hint)


def _of(
    context: Context,
    role: Role,
    inputs: Inputs,
    record: DocRecord,
    slot: int | None,
    doc_id: str | None,
) -> Request | None:
    if role == "generator":
        found = generate.requests(context)(record)
        if found is None and doc_id is not None:
            raise UsageError(
                f"no request about document {doc_id!r} is sent: no sibling can fill a written slot",
                hint="name another document",
            )
        return found
    for each, answers in judged(context, inputs, "answer.answers") if role == "judge" else ():
        if each.probe.doc_id == record.doc_id and slot in (None, each.probe.slot):
            for question in Judging(context).questions(each, whole(answers)):
                return question.request
    for each in posed(context, inputs) if role == "answerer" else ():
        if each.probe.doc_id == record.doc_id and slot in (None, each.probe.slot):
            return Answering(context).request(each)
    return None
