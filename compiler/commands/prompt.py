"""`probec prompt`: exactly what would be sent about one document."""

from __future__ import annotations

import argparse
import json
from contextlib import ExitStack

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.comparison import bodies
from compiler.comparison.hunks import hunks, unified
from compiler.comparison.sides import FORMS, Options, is_directory, open_side
from compiler.engine.plan import Graph, State
from compiler.engine.stage import Inputs
from compiler.errors import ProbecError, UsageError
from compiler.keys import Json, request_key
from compiler.llm.messages import Request, encode
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Silent
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
    arguments.add_spec_arguments(parser)
    parser.add_argument("--role", choices=ROLES, default="generator", help="default: generator")
    parser.add_argument("--doc", metavar="ID", help="a doc_id; default: the first drawn")
    parser.add_argument(
        "--against",
        metavar="OTHER",
        help=f"show how the same request of OTHER differs: {FORMS}",
    )
    parser.add_argument(
        "--slot", type=int, metavar="N", help="answerer, judge: which written probe; default: first"
    )


def run(args: argparse.Namespace) -> Result:
    """Render the request from what is built so far; against another, the diff of the two."""
    role: Role = args.role
    if role == "generator" and args.slot is not None:
        raise UsageError("--slot goes with --role answerer or judge", hint="leave it out")
    sent = _sent(opening.project(arguments.variant(args)), role, args.doc, args.slot)
    if args.against is not None:
        with ExitStack() as stack:
            return _against(stack, args, sent)
    request, body = sent
    key = request_key(body, 0)
    text = (
        f"# model {request.model}, max_tokens {request.max_tokens}, key of sample 0: {key}\n"
        f"----- system -----\n{request.system}\n----- user -----\n{request.user}"
    )
    return Result(text, {"role": role, "key": key, "body": json.loads(body)})


def _against(stack: ExitStack, args: argparse.Namespace, sent: tuple[Request, bytes]) -> Result:
    """The same request of another side, and what differs."""
    spec = str(args.spec)
    # A prompt directory is tried in the spec as it is asked for; any other side is itself.
    overrides = args.overrides if is_directory(args.against, spec) else []
    shared = Options(args.provider, args.source, args.build_dir)
    other = open_side(stack, args.against, overrides, shared, spec)
    try:
        _, theirs = _sent(other.project, args.role, args.doc, args.slot)
    except ProbecError as error:
        error.where = error.where or other.label
        raise
    body = sent[1]
    keys = request_key(body, 0), request_key(theirs, 0)
    found = hunks(bodies.text(body), bodies.text(theirs))
    own = " ".join([spec, *(f"--set {each}" for each in args.overrides)])
    diff = unified(f"{own} ({keys[0][:12]})", f"{other.label} ({keys[1][:12]})", found)
    text = diff if found else f"the same request, key of sample 0: {keys[0]}"
    data: Json = {
        "role": args.role,
        "key": keys[0],
        "body": json.loads(body),
        "against": {"side": other.label, "key": keys[1], "body": json.loads(theirs)},
        "diff": diff if found else "",
    }
    return Result(text, data)


def _sent(
    project: Project, role: Role, doc_id: str | None, slot: int | None
) -> tuple[Request, bytes]:
    """The request and its wire body."""
    project.require_local()
    context = project.context(Silent())
    request = _request(context, project.graph(context), role, doc_id, slot)
    return request, encode(context.dispatchers[role].provider, request)


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
