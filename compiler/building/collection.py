"""Results of ended batches, collected into the response log without a build."""

from __future__ import annotations

import math

from msgspec import Struct

from compiler.engine.lock import locked
from compiler.keys import Json
from compiler.llm.batches.clock import Pace
from compiler.llm.batches.reconcile import Reconciler, unswept
from compiler.llm.batches.runner import Runner
from compiler.llm.batches.shards import discard_unsent
from compiler.llm.batches.states import SENT, WAITING, State
from compiler.llm.messages import BILLED, Purpose, Reply
from compiler.llm.providers import batch_api
from compiler.llm.purse import Purse
from compiler.project.project import PAID, SPENDING, Project
from compiler.project.reporter import Reporter


class Collected(Struct):
    """Counts of collected batches, of replies new to the log, and of requests without a reply."""

    batches: int = 0
    replies: int = 0
    unanswered: int = 0

    def data(self) -> Json:
        """Convert to JSON."""
        return {"batches": self.batches, "replies": self.replies, "unanswered": self.unanswered}


def collect(project: Project, reporter: Reporter) -> Collected:
    """Collect the results of ended batches of all specs into the log; sends no request."""
    journal, log, found = project.journal, project.log, Collected()
    seconds = project.declared.batches.poll_seconds
    pace = Pace(seconds, seconds, False)

    def deliver(key: str, purpose: Purpose, reply: Reply) -> None:
        if reply.outcome in BILLED:
            found.replies += log.put(key, reply, purpose)
        else:
            found.unanswered += 1

    with locked(journal.folder, PAID, SPENDING):
        before = len(journal.shards((State.APPLIED,)))
        for shard in journal.shards(WAITING):
            # Due now. A shard that is searched for in the server's list keeps its schedule.
            journal.update(shard, next_at=0.0)
        sent = [shard.endpoint for shard in journal.shards(SENT)]
        for endpoint in dict.fromkeys([*sent, *unswept(journal, project.clock.now())]):
            discard_unsent(journal, endpoint, project.clock.now())
            with batch_api(endpoint) as api:
                purse = Purse(math.inf)
                every = (api, journal, project.limits, purse, pace, project.clock, reporter)
                runner = Runner(*every, wanted=lambda _: True)
                runner.collect(deliver, log.commit)
                log.commit()
                Reconciler(api, journal, project.clock).suspects()
            # Requests to be sent again are packed anew by the build that needs them.
            found.unanswered += sum(s.n for s in journal.shards((State.SEALED,), endpoint))
            discard_unsent(journal, endpoint, project.clock.now())
        found.batches = len(journal.shards((State.APPLIED,))) - before
    return found


def text(found: Collected) -> str:
    """Format the outcome of a collection for a terminal."""
    more = (
        f"; {found.unanswered:,} requests have no reply, and a build that needs one sends it again"
        if found.unanswered
        else ""
    )
    return f"collected {found.batches} batches, {found.replies:,} new replies{more}"
