"""`probec status`: open batches and billed costs, from the journal and the log.

--poll queries the provider as well, and --collect collects ended batches of all specs.
"""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

from compiler.commands import arguments
from compiler.commands.result import Result
from compiler.keys import Json

if TYPE_CHECKING:
    from compiler.project.reporter import Reporter

EXAMPLE = "probec status specs/demo.yaml --poll"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Add the options of a spec, and those that query the provider."""
    arguments.add_spec_arguments(parser)
    parser.add_argument(
        "--poll", action="store_true", help="query the provider for the status of each batch"
    )
    parser.add_argument(
        "--collect",
        action="store_true",
        help="collect the results of ended batches into the log, whichever spec sent them",
    )
    parser.add_argument("--all", action="store_true", help="show finished batches and events too")


def run(args: argparse.Namespace, reporter: Reporter) -> Result:
    """Show every open batch of the project and the ledger of this spec."""
    import msgspec

    from compiler.building import batches, collection, losses
    from compiler.llm import intents
    from compiler.llm.batches.states import OPEN
    from compiler.pricing import money
    from compiler.project import opening
    from compiler.report.terminal import table

    project = opening.project(arguments.variant(args))
    journal = project.journal
    collected = collection.collect(project, reporter) if args.collect else None
    shards = journal.shards(None if args.all else OPEN)
    remote = {shard.id: batches.poll(shard) for shard in shards} if args.poll else {}
    bill = money.bill(project)
    events = journal.events() if args.all and journal.exists() else []
    lines = [collection.text(collected)] if collected is not None else []
    lines += [batches.text(shards, remote, project.clock.now(), args.screen)]
    lines += [money.text(bill, args.screen) or "no costs yet"]
    out = intents.unanswered(journal)
    if out.requests:
        lines.append(f"in flight in a running build, or lost with one that ended: {out.text()}")
    errors = losses.errors(project)
    lines += [losses.summary(errors, args.screen)] if errors else []
    if events:
        rows = [(_time(at), shard, kind, detail[:80]) for at, shard, kind, detail in events]
        lines.append(table(("event at", "shard", "event", "detail"), rows, args.screen))
    data: dict[str, Json] = {
        "shards": [msgspec.to_builtins(shard) for shard in shards],
        "remote": {str(number): text for number, text in remote.items()},
        "collected": collected.data() if collected is not None else None,
        "money": bill.data(),
        "live_without_reply": {**out.roles},
        "errors": [each.data() for each in errors],
        "events": [[at, shard, kind, detail] for at, shard, kind, detail in events],
    }
    return Result("\n\n".join(lines), data)


def _time(at: float) -> str:
    from datetime import UTC, datetime

    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M:%S")
