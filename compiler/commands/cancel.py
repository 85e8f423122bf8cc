"""`probec cancel`: stop the batches that are with the provider; what they finish is kept."""

from __future__ import annotations

import argparse

from compiler.building.build import SPENDING
from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.engine.lock import locked
from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.batches.api import NotThere, Unreachable
from compiler.llm.batches.states import SENT, Event, State
from compiler.llm.providers import batch_api
from compiler.project import opening

EXAMPLE = "probec cancel specs/demo.yaml"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Only the shared ones."""
    arguments.add_spec_arguments(parser)


def run(args: argparse.Namespace) -> Result:
    """Cancel every open batch of the project. Requests that were served stay billed and kept."""
    project = opening.project(arguments.variant(args))
    journal, now = project.journal, project.clock.now
    lines: list[str] = []
    canceled: list[Json] = []
    failed = 0
    with locked(journal.folder, "project's paid path", SPENDING):
        for shard in journal.shards((State.SEALED, State.SPLITTING)):
            journal.move(shard, Event.DISCARDED, now(), "canceled before it was sent")
            journal.body(shard.id).unlink(missing_ok=True)
            lines.append(f"shard {shard.id}: {shard.n:,} requests were not sent and are dropped")
        for shard in journal.shards(SENT):
            if shard.batch_id is None:
                lines.append(
                    f"shard {shard.id}: nobody knows yet whether the provider has it; "
                    "`probec build` finds out, then cancel again"
                )
                failed += 1
            elif any(kind == Event.ADOPTED for _, _, kind, _ in journal.events(shard.id)):
                lines.append(
                    f"batch {shard.batch_id}: not canceled: it was found by its size and time only "
                    "and may be somebody else's until its results are here"
                )
                failed += 1
            elif shard.state in (State.IN_PROGRESS, State.OVERDUE):
                try:
                    with batch_api(shard.endpoint) as api:
                        api.cancel(shard.batch_id)
                except (NotThere, Unreachable, ProviderError) as error:
                    lines.append(f"batch {shard.batch_id}: not canceled: {error}")
                    failed += 1
                    continue
                journal.move(shard, Event.CANCEL_SENT, now(), next_at=now())
                canceled.append(shard.batch_id)
                lines.append(f"batch {shard.batch_id}: canceling, {shard.n:,} requests")
            else:
                lines.append(
                    f"batch {shard.batch_id}: {shard.state.value} already; `probec status "
                    "--collect` brings in what it holds"
                )
    if canceled:
        lines.append(
            "what they had finished is billed; the build that sent them collects it and asks the "
            "rest again, or `probec status --collect` only collects it"
        )
    text = "\n".join(lines) if lines else "no batches are open"
    return Result(text, {"canceled": canceled, "failed": failed}, 1 if failed else 0)
