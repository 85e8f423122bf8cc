"""`probec prompt`: exactly what would be sent about one document."""

from __future__ import annotations

import argparse
import json

from compiler.commands import wire
from compiler.commands.result import Result
from compiler.commands.wire import Silent
from compiler.engine.plan import Graph, State
from compiler.engine.stage import Inputs
from compiler.errors import ProbecError, UsageError
from compiler.keys import request_key
from compiler.llm.messages import Request, encode
from compiler.records import DocRecord
from compiler.stages import generate
from compiler.stages.answering import Answering
from compiler.stages.asking import posed
from compiler.stages.context import ROLES, Context, Role
from compiler.stages.judging import Judging, judged, whole

EXAMPLE = "probec prompt specs/demo.yaml --role judge --slot 10"

_STAGE = {"generator": "generate", "answerer": "answer", "judge": "judge"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, and which prompt."""
    wire.add_spec_arguments(parser)
    parser.add_argument("--role", choices=ROLES, default="generator", help="default: generator")
    parser.add_argument("--doc", metavar="ID", help="a doc_id; default: the first drawn")
    parser.add_argument(
        "--slot", type=int, metavar="N", help="answerer, judge: which written probe; default: first"
    )


def run(args: argparse.Namespace) -> Result:
    """Render the request from what is built so far."""
    project = wire.project(args)
    blocked = project.blocked()
    if blocked:
        raise UsageError("; ".join(blocked), hint="build once, or name a local file with --source")
    context = project.context(Silent())
    graph = project.graph(context)
    role: Role = args.role
    if role == "generator" and args.slot is not None:
        raise UsageError("--slot goes with --role answerer or judge", hint="leave it out")
    request = _request(context, graph, role, args.doc, args.slot)
    provider = context.dispatchers[role].provider
    key = request_key(encode(provider, request), 0)
    text = (
        f"# model {request.model}, max_tokens {request.max_tokens}, key of sample 0: {key}\n"
        f"----- system -----\n{request.system}\n----- user -----\n{request.user}"
    )
    body = json.loads(encode(provider, request))
    return Result(text, {"role": role, "key": key, "body": body})


def _request(
    context: Context, graph: Graph, role: Role, doc_id: str | None, slot: int | None
) -> Request:
    stage = next((stage for stage in graph.stages if stage.name == _STAGE[role]), None)
    if stage is None:
        policy = context.spec.scoring.policy
        raise UsageError(f"the policy {policy} asks no {role}", hint="choose another --role")
    for planned in graph.plan():
        if planned.step.stage.name == stage.name and planned.state is State.WAITS:
            raise ProbecError(
                f"what the {role} would see is not built yet: {planned.reason}",
                hint="run `probec build` with the same options first",
            )
    for step in graph.steps(stage):
        inputs = graph.inputs(step)
        for record in inputs.rows("sample.records", DocRecord):
            if doc_id in (None, record.doc_id):
                found = _of(context, role, inputs, record, slot)
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
    context: Context, role: Role, inputs: Inputs, record: DocRecord, slot: int | None
) -> Request | None:
    if role == "generator":
        return generate.requests(context)(record)
    for each, answers in judged(context, inputs, "answer.answers") if role == "judge" else ():
        if each.probe.doc_id == record.doc_id and slot in (None, each.probe.slot):
            for question in Judging(context).questions(each, whole(answers)):
                return question.request
    for each in posed(context, inputs) if role == "answerer" else ():
        if each.probe.doc_id == record.doc_id and slot in (None, each.probe.slot):
            return Answering(context).request(each)
    return None
