"""`probec status`: how batches stand and what was paid, from the journal.

--poll asks the provider as well, and --collect brings in what has ended, whichever spec sent it.
"""

from __future__ import annotations

import argparse
import math
from dataclasses import dataclass
from datetime import UTC, datetime

import msgspec

from compiler.building.build import SPENDING
from compiler.building.money import money
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.lock import locked
from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.batches.api import NotThere, Unreachable
from compiler.llm.batches.journal import Shard
from compiler.llm.batches.reconcile import Reconciler, unswept
from compiler.llm.batches.runner import Pace, Runner
from compiler.llm.batches.shards import Limits, discard_unsent
from compiler.llm.batches.states import FINISHED, OPEN, SENT, WAITING, State
from compiler.llm.messages import BILLED, Purpose, Reply
from compiler.llm.providers import batch_api
from compiler.llm.purse import Purse
from compiler.project import opening
from compiler.project.project import Project
from compiler.project.reporter import Reporter
from compiler.report.terminal import table

EXAMPLE = "probec status specs/demo.yaml --poll"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, and whether to ask the provider."""
    arguments.add_spec_arguments(parser)
    parser.add_argument("--poll", action="store_true", help="ask the provider how each batch is")
    parser.add_argument(
        "--collect",
        action="store_true",
        help="bring the results of batches that have ended into the log, whichever spec sent them",
    )
    parser.add_argument("--all", action="store_true", help="finished batches and events too")


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Show every open batch of the project and the ledger of this spec."""
    project = opening.project(arguments.variant(args))
    journal = project.journal
    collected = _collect(project, reporter) if args.collect else None
    shards = journal.shards(None if args.all else OPEN)
    remote = {shard.id: _remote(shard) for shard in shards} if args.poll else {}
    lines = [collected.text] if collected is not None else []
    lines += [_batches(shards, remote, project.clock.now())]
    bill, data = money(project)
    lines += [bill or "nothing was paid for yet"]
    events = journal.events() if args.all and journal.exists() else []
    if events:
        rows = [(_time(at), shard, kind, detail[:80]) for at, shard, kind, detail in events]
        lines.append(table(("event at", "shard", "what", "detail"), rows))
    found: dict[str, Json] = {
        "shards": [msgspec.to_builtins(shard) for shard in shards],
        "remote": {str(number): text for number, text in remote.items()},
        "collected": collected.data if collected is not None else None,
        "money": data,
        "events": [[at, shard, kind, detail] for at, shard, kind, detail in events],
    }
    return Result("\n\n".join(lines), found)


@dataclass
class _Collected:
    """What came in: batches, replies that are new in the log, and requests that brought none."""

    batches: int = 0
    replies: int = 0
    unanswered: int = 0

    @property
    def text(self) -> str:
        """For people."""
        more = (
            f"; {self.unanswered:,} requests brought none, and builds that need them ask them again"
            if self.unanswered
            else ""
        )
        return f"collected {self.batches} batches, {self.replies:,} new replies{more}"

    @property
    def data(self) -> Json:
        """As JSON."""
        return {"batches": self.batches, "replies": self.replies, "unanswered": self.unanswered}


def _collect(project: Project, reporter: Reporter) -> _Collected:
    """Results into the log, with the purposes that the journal holds; nothing is sent."""
    journal, log, found = project.journal, project.log, _Collected()
    batches = project.spec.batches
    limits = Limits(batches.max_requests, batches.max_bytes, batches.queue_requests)
    pace = Pace(batches.poll_seconds, batches.poll_seconds, False)

    def deliver(key: str, purpose: Purpose, reply: Reply) -> None:
        if reply.outcome in BILLED:
            found.replies += log.put(key, reply, purpose)
        else:
            found.unanswered += 1

    with locked(journal.folder, "project's paid path", SPENDING):
        before = len(journal.shards((State.APPLIED,)))
        for shard in journal.shards(WAITING):
            # Now, whenever a build would look. What is looked for in a list keeps its times.
            journal.update(shard, next_at=0.0)
        sent = [shard.endpoint for shard in journal.shards(SENT)]
        for endpoint in dict.fromkeys([*sent, *unswept(journal, project.clock.now())]):
            discard_unsent(journal, endpoint, project.clock.now())
            with batch_api(endpoint) as api:
                purse = Purse(math.inf)
                every = (api, journal, limits, purse, pace, project.clock, reporter)
                runner = Runner(*every, wanted=lambda _: True)
                runner.collect(deliver, log.commit)
                log.commit()
                Reconciler(api, journal, project.clock).suspects()
            # What must be asked again is packed anew by the build that wants it.
            found.unanswered += sum(s.n for s in journal.shards((State.SEALED,), endpoint))
            discard_unsent(journal, endpoint, project.clock.now())
        found.batches = len(journal.shards((State.APPLIED,))) - before
    return found


def _batches(shards: list[Shard], remote: dict[int, str], now: float) -> str:
    if not shards:
        return "no batches are open"
    rows = [
        (
            shard.id,
            shard.state.value,
            shard.label,
            shard.n,
            f"{shard.bytes / 1_000_000:,.1f}",
            shard.attempt,
            shard.batch_id or "-",
            _age(now - shard.sent_at) if shard.sent_at is not None else "-",
            _next(shard, now),
            f"{shard.expected_usd:,.2f}",
            remote.get(shard.id, shard.note),
        )
        for shard in shards
    ]
    header = ("shard", "state", "for", "requests", "MB", "attempt", "batch", "age", "next look")
    return table((*header, "US$", "note"), rows)


def _next(shard: Shard, now: float) -> str:
    """When a build, if one runs, does something about it."""
    if shard.state in FINISHED:
        return "-"
    return f"in {_age(shard.next_at - now)}" if shard.next_at > now else "due"


def _remote(shard: Shard) -> str:
    if shard.batch_id is None or shard.state not in WAITING:
        return shard.note
    try:
        with batch_api(shard.endpoint) as api:
            found = api.retrieve(shard.batch_id)
    except (NotThere, Unreachable, ProviderError) as error:
        return f"no answer: {error}"
    counts = ", ".join(f"{n:,} {kind}" for kind, n in found.counts.items() if n)
    return f"{found.status}: {counts}"


def _time(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")


def _age(seconds: float) -> str:
    hours, rest = divmod(int(max(0.0, seconds)), 3600)
    return f"{hours} h {rest // 60:02d} min" if hours else f"{rest // 60} min {rest % 60:02d} s"
