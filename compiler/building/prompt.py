"""The rendered request of one role about one document, before or after a build."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from compiler.building.solo import Solo, documents
from compiler.engine.stage import Unsettled
from compiler.errors import ProbecError, UsageError
from compiler.keys import Json, request_key
from compiler.llm.messages import Request, encode
from compiler.probes.reasons import CHANGES, NO_UNIT, change_of
from compiler.probes.scoring import POLICIES
from compiler.project.project import Project
from compiler.records import AnswerRow, Probe, Reject
from compiler.spec.paid import Role
from compiler.stages import generate
from compiler.stages.answering import Answering
from compiler.stages.asking import ASKING, Posed, posed
from compiler.stages.judging import Judging, judged, whole

# The stages whose replies the request of a role is rendered from, in order.
ABOVE: dict[Role, tuple[str, ...]] = {
    "generator": (),
    "answerer": ("generate", "finalize"),
    "judge": ("generate", "finalize", "answer"),
}


@dataclass(frozen=True)
class Prompt:
    """A request of a role about a document, and its wire body in bytes.

    `slot`: of the probe, None for the generator; `notices`: where the replies before it are from.
    """

    role: Role
    doc_id: str
    slot: int | None
    request: Request
    body: bytes
    notices: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """The request key of its first sample."""
        return request_key(self.body, 0)

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        return {
            "role": self.role,
            "doc_id": self.doc_id,
            "slot": self.slot,
            "key": self.key,
            "body": json.loads(self.body),
            "notices": [*self.notices],
        }


def find(project: Project, role: Role, doc_id: str | None, slot: int | None) -> Prompt:
    """Render the request of a role about a document.

    `doc_id`: None for the first drawn; `slot`: of the probe, None for the first written one.

    Raises:
        UsageError: there is no such document or slot, or the policy has no such role.
        ProbecError: the request depends on replies that are not in the log.
    """
    require_role(project, role)
    with documents(project, doc_id) as solos:
        return first(solos, role, doc_id, slot)[1]


def text(prompt: Prompt) -> str:
    """Format a prompt for a terminal."""
    request = prompt.request
    notices = "".join(f"# {each}\n" for each in prompt.notices)
    return (
        f"# model {request.model}, max_tokens {request.max_tokens}, key of sample 0: {prompt.key}\n"
        f"{notices}"
        f"----- system -----\n{request.system}\n----- user -----\n{request.user}"
    )


def require_role(project: Project, role: Role) -> None:
    """Refuse a role that the scoring policy does not have.

    Raises:
        UsageError: it has no judge, or the spec is not one of probes.
    """
    policy = project.spec.scoring.policy
    if role == "judge" and not POLICIES[policy].judged:
        raise UsageError(f"the policy {policy} has no {role}", hint="choose another --role")


def first(
    solos: Iterator[Solo], role: Role, doc_id: str | None, slot: int | None
) -> tuple[Solo, Prompt]:
    """Return the first document that has the request, and the request; the errors of `find`."""
    missing: ProbecError | None = None
    for solo in solos:
        _refuse_templated(solo, slot)
        try:
            solo.run(*ABOVE[role])
        except Unsettled:
            missing = missing or _missing(solo, role)
            continue
        for prompt in prompts(solo, role):
            if slot in (None, prompt.slot):
                return solo, prompt
        if doc_id is not None:
            raise _rejected(solo, slot)
    if missing is not None:
        raise missing
    if role == "generator":
        raise _unsent("none of the documents has")
    what = "no written probe was built" if slot is None else f"no written probe in slot {slot}"
    raise UsageError(what, hint="see rejects.jsonl beside the dataset for why")


def prompts(solo: Solo, role: Role) -> Iterator[Prompt]:
    """Yield the requests of a role about a document, one per probe; the judge's first about each.

    The stages of `ABOVE` must have run.
    """
    context, doc_id = solo.context, solo.record.doc_id
    notices = tuple(
        f"the reply of the {each} is of the provider "
        f"{getattr(context.spec.models, each).provider}, made for this command"
        for each in solo.computed
    )
    provider = context.dispatchers[role].provider
    for slot, request in _requests(solo, role):
        yield Prompt(role, doc_id, slot, request, encode(provider, request), notices)


def _requests(solo: Solo, role: Role) -> Iterator[tuple[int | None, Request]]:
    context = solo.context
    if role == "generator":
        request = generate.requests(context)(solo.record)
        if request is not None:
            yield None, request
    elif role == "answerer":
        answering = Answering(context)
        for each in probes(solo):
            yield each.probe.slot, answering.request(each)
    else:
        judging = Judging(context)
        for each, answers in answered(solo):
            question = next(judging.questions(each, whole(answers)), None)
            if question is not None:
                yield each.probe.slot, question.request


def probes(solo: Solo) -> list[Posed]:
    """Return the written probes of a document; `finalize` must have run."""
    return [*posed(solo.context, solo.inputs())]


def answered(solo: Solo) -> list[tuple[Posed, AnswerRow]]:
    """Return the written probes of a document with their answers; `answer` must have run."""
    return [*judged(solo.context, solo.inputs(), "answer.answers")]


def _refuse_templated(solo: Solo, slot: int | None) -> None:
    """Refuse a slot that no model writes.

    Raises:
        UsageError: the slot is templated, or there is none of this number.
    """
    scopes = {each.index: each.scope for each in solo.record.slots}
    if slot is not None and scopes.get(slot) not in solo.context.written():
        written = [n for n, scope in scopes.items() if scope in solo.context.written()]
        raise UsageError(
            f"no written probe in slot {slot}"
            + (f": its scope {scopes[slot]} is templated" if slot in scopes else ""),
            hint=f"written slots: {', '.join(map(str, written))}",
        )


def _missing(solo: Solo, role: Role) -> ProbecError:
    """Return the error of a document without the replies that a request depends on."""
    stage = next(name for name in ABOVE[role] if name in ASKING and not solo.has(name))
    return ProbecError(
        f"the input of the {role} is not built yet: document {solo.record.doc_id!r} has no reply "
        f"of the {ASKING[stage]} in the log",
        hint="run `probec build` with the same options first (--pilot 1 builds one document), or "
        "render with --provider extractive",
    )


def _unsent(subject: str) -> UsageError:
    """Return the error about documents of which nothing is sent to the generator."""
    why = "a slot for the generator: no shown sibling has an atom for a written one"
    return UsageError(f"{subject} {why}", hint=f"change {CHANGES[change_of(NO_UNIT)]}")


def _rejected(solo: Solo, slot: int | None) -> ProbecError:
    """Return the error of a document without the wanted probe, with the reason of its reject."""
    doc = solo.record.doc_id
    solo.run(*ABOVE["answerer"])
    rejects = solo.rows("finalize.rejects", Reject)
    if slot is None:
        reasons = sorted({each.reason for each in rejects})
        if reasons == [NO_UNIT]:
            return _unsent(f"document {doc!r} does not have")
        return UsageError(
            f"document {doc!r} has no written probe: {', '.join(reasons)}",
            hint=f"`probec prompt --doc {doc} --reply` shows the reply of the generator",
        )
    if any(each.slot == slot for each in solo.rows("finalize.probes", Probe)):
        return UsageError(
            f"slot {slot} of document {doc!r} is not judged: a rollout has no answer",
            hint="`probec prompt --role answerer --reply` shows its answers",
        )
    reject = next(each for each in rejects if each.slot == slot)
    return UsageError(
        f"slot {slot} of document {doc!r} was rejected: {reject.reason}: {reject.detail}",
        hint=f"`probec prompt --doc {doc} --reply` shows the reply of the generator",
    )
