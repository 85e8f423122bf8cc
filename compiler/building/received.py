"""The replies to a request of one role, and their outcome: slots, answers, verdicts, scores."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace

from compiler.building import prompt as prompts
from compiler.building.prompt import Prompt
from compiler.building.solo import Solo, documents
from compiler.dataset.columns import identity
from compiler.engine.stage import Step, Unsettled
from compiler.errors import DamagedError
from compiler.keys import Json, request_key
from compiler.llm.messages import Reply, encode
from compiler.probes.scoring import POLICIES
from compiler.project.project import Project
from compiler.records import Choice, Probe, Reject, Slot
from compiler.report.numbers import score
from compiler.report.screen import PLAIN, Screen
from compiler.report.terminal import table
from compiler.spec.paid import Role
from compiler.stages.answering import answer_in
from compiler.stages.asking import Posed
from compiler.stages.judging import Judging, references

_TEMPLATED = "templated: needs the replies of its whole shard"


@dataclass(frozen=True)
class Received:
    """The reply to one sample of a request.

    `state`: its outcome, or "missing", "damaged" or "in flight". `note`: the remedy of these.
    """

    key: str
    state: str
    note: str = ""
    reply: Reply | None = None

    @property
    def head(self) -> str:
        """Describe the reply in one line."""
        if self.reply is None:
            return f"{self.state}: {self.note}"
        found = self.reply
        ended = f", {found.stop_reason}" if found.stop_reason else ""
        tokens = f"{found.input_tokens:,} tokens in, {found.output_tokens:,} out"
        return f"{self.state}{ended}, {found.model}, {tokens}{f' ({self.note})' * bool(self.note)}"

    @property
    def body(self) -> str:
        """The raw text; of a failed request its error."""
        return "" if self.reply is None else self.reply.text or self.reply.error

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        return {
            "key": self.key,
            "state": self.state,
            "note": self.note,
            "text": self.body if self.reply is not None else None,
        }


@dataclass(frozen=True)
class SlotOutcome:
    """The outcome of one slot. `probe_id` and `flags`: of its row; `reason`, `detail`: its reject.

    Without either, it is not known yet, for the cause in `detail`.
    """

    slot: Slot
    probe_id: str | None = None
    flags: tuple[str, ...] = ()
    reason: str | None = None
    detail: str = ""

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        return {
            "slot": self.slot.index,
            "scope": self.slot.scope,
            "target": self.slot.target,
            "probe_id": self.probe_id,
            "flags": [*self.flags],
            "reason": self.reason,
            "detail": self.detail,
        }


@dataclass(frozen=True)
class Rollout:
    """One answer with its verdict; None where there is none. `number`: the score in the verdict."""

    answer: Received
    verdict: Received | None
    number: float | None

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        verdict = self.verdict.data() if self.verdict is not None else None
        return {"answer": self.answer.data(), "verdict": verdict, "score": self.number}


@dataclass(frozen=True)
class Shown:
    """A request with its replies: of the generator its `slots`, of another role its `rollouts`.

    `rung`: the step of the repair that read the generator's reply, None if none did.
    """

    prompt: Prompt
    reply: Received | None
    rung: str | None
    slots: tuple[SlotOutcome, ...]
    rollouts: tuple[Rollout, ...]

    def data(self) -> dict[str, Json]:
        """Convert to JSON."""
        found: dict[str, Json] = self.prompt.data()
        if self.reply is not None:
            slots: list[Json] = [each.data() for each in self.slots]
            return {**found, "reply": self.reply.data(), "rung": self.rung, "slots": slots}
        return {**found, "rollouts": [each.data() for each in self.rollouts]}


def find(project: Project, role: Role, doc_id: str | None, slot: int | None) -> Shown:
    """Show the replies to the request that `prompt.find` renders; it has the same errors."""
    prompts.require_role(project, role)
    with documents(project, doc_id) as solos:
        solo, prompt = prompts.first(solos, role, doc_id, slot)
        if role == "generator":
            return _generated(solo, prompt)
        each = next(p for p in prompts.probes(solo) if p.probe.slot == prompt.slot)
        return Shown(prompt, None, None, (), tuple(_rollouts(solo, each)))


def text(shown: Shown, screen: Screen = PLAIN) -> str:
    """Format a request and its replies for a terminal."""
    parts = [prompts.text(shown.prompt)]
    if shown.reply is not None:
        parts.append(f"----- reply: {shown.reply.head} -----\n{shown.reply.body}")
        read = f"read by the rung {shown.rung}" if shown.rung else "not read"
        parts.append(f"----- slots: the reply was {read} -----\n{_slots(shown.slots, screen)}")
        return "\n".join(parts)
    for number, each in enumerate(shown.rollouts):
        parts.append(f"----- answer {number}: {each.answer.head} -----\n{each.answer.body}")
        if each.verdict is not None:
            parts.append(f"----- verdict {number}: {each.verdict.head} -----\n{each.verdict.body}")
        parts.append(f"----- score {number}: {score(each.number)} -----")
    return "\n".join(parts)


def _slots(slots: tuple[SlotOutcome, ...], screen: Screen) -> str:
    rows = [
        (
            each.slot.index,
            each.slot.scope,
            each.slot.target,
            "built" if each.probe_id else each.reason or "-",
            each.probe_id or "",
            " ".join(each.flags),
            " ".join(each.detail.split()),
        )
        for each in slots
    ]
    header = ("slot", "scope", "target", "outcome", "probe_id", "flags", "detail")
    return table(header, rows, screen)


def _generated(solo: Solo, prompt: Prompt) -> Shown:
    reply = _received(solo, prompt.key)
    probes: dict[int, Probe] = {}
    rejects: dict[int, Reject] = {}
    rung = None
    try:
        solo.run("generate", "finalize")
    except (Unsettled, DamagedError):
        unknown = f"the reply is {reply.state}"
    else:
        reply = _received(solo, prompt.key)
        unknown = _TEMPLATED
        rung = next((each.rung for each in solo.rows("finalize.choices", Choice)), None) or None
        probes = {each.slot: each for each in solo.rows("finalize.probes", Probe)}
        rejects = {each.slot: each for each in solo.rows("finalize.rejects", Reject)}
        _add_templated(solo, probes, rejects)
    record = solo.record
    found = []
    for slot in record.slots:
        probe, reject = probes.get(slot.index), rejects.get(slot.index)
        if probe is not None:
            name = identity(record.round, record.doc_id, slot.index)
            found.append(SlotOutcome(slot, name, probe.flags))
        elif reject is not None:
            found.append(SlotOutcome(slot, reason=reject.reason, detail=reject.detail))
        else:
            found.append(SlotOutcome(slot, detail=unknown))
    return Shown(prompt, reply, rung, tuple(found), ())


def _add_templated(solo: Solo, probes: dict[int, Probe], rejects: dict[int, Reject]) -> None:
    """Add the outcome of templated slots, if the build has made them from the same reply."""
    for stage in solo.graph.stages:
        if stage.name in ("generate", "finalize", "expand"):
            planned = solo.graph.resolve(Step(stage, solo.part))
            if planned.manifest is None:
                return
            solo.graph.record(planned.step, planned.manifest)
    finalize = solo.graph.manifest("finalize", solo.part)
    manifest = solo.graph.manifest("expand", solo.part)
    assert finalize is not None
    assert manifest is not None
    store, doc_id = solo.graph.store, solo.record.doc_id
    choices = [c for c in store.rows(finalize.outputs["choices"], Choice) if c.doc_id == doc_id]
    if choices != solo.rows("finalize.choices", Choice):
        return
    for probe in store.rows(manifest.outputs["probes"], Probe):
        if probe.doc_id == doc_id:
            probes[probe.slot] = probe
    for reject in store.rows(manifest.outputs["rejects"], Reject):
        if reject.doc_id == doc_id:
            rejects[reject.slot] = reject


def _rollouts(solo: Solo, each: Posed) -> Iterator[Rollout]:
    """Yield the rollouts about a probe, as far as they are in the log."""
    spec = solo.context.spec
    policy = POLICIES[spec.scoring.policy]
    # What is missing or damaged is reported one by one below.
    with suppress(Unsettled, DamagedError):
        solo.run("answer", *(("judge",) if policy.judged else ()))
    request = next(p for p in prompts.prompts(solo, "answerer") if p.slot == each.probe.slot)
    answers = [_received(solo, request_key(request.body, n)) for n in range(spec.scoring.rollouts)]
    texts = {
        n: found
        for n, one in enumerate(answers)
        if one.reply is not None and (found := answer_in(one.reply)) is not None
    }
    verdicts: dict[int, Received] = {}
    if policy.judged and texts:
        judging, provider = Judging(solo.context), solo.context.dispatchers["judge"].provider
        for question in judging.questions(each, texts):
            if not question.second:
                key = request_key(encode(provider, question.request), question.sample)
                verdicts.update(dict.fromkeys(question.rollouts, _received(solo, key)))
    truth, stop = references(spec.scoring, each)[0], spec.scoring.stop
    for number, answer in enumerate(answers):
        if answer.state == "missing" and stop is not None and number >= stop.after:
            note = f"not sent for a probe that is EASY after {stop.after} rollouts (scoring.stop)"
            answer = replace(answer, note=note)
        verdict = verdicts.get(number)
        given = verdict.body if verdict is not None else texts.get(number)
        known = given is not None and (verdict is None or verdict.state == "ok")
        parsed = policy.number(given, truth) if given is not None and known else None
        yield Rollout(answer, verdict, parsed if policy.judged == (verdict is not None) else None)


def _received(solo: Solo, key: str) -> Received:
    project = solo.project
    try:
        reply = project.log.get(key)
    except DamagedError as error:
        return Received(key, "damaged", f"{error.message} ({error.hint})")
    if reply is not None:
        return Received(key, reply.outcome.value, reply=reply)
    reply = solo.spare.get(key)
    if reply is not None:
        return Received(key, reply.outcome.value, "made for this command", reply)
    where = project.journal.where(key)
    if where is not None:
        return Received(key, "in flight", f"in a batch at {where}; `probec build` collects it")
    return Received(key, "missing", "not in the log; `probec build` sends the request")
