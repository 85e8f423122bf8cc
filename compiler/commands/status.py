"""`probec status`: how batches stand and what was paid, from the journal; --poll asks as well."""

from __future__ import annotations

import argparse
from datetime import UTC, datetime

import msgspec

from compiler.commands import wire
from compiler.commands.money import money
from compiler.commands.result import Result, table
from compiler.errors import ProviderError
from compiler.keys import Json
from compiler.llm.batches.api import NotThere, Unreachable
from compiler.llm.batches.journal import Shard
from compiler.llm.batches.states import FINISHED, OPEN, WAITING
from compiler.llm.providers import batch_api

EXAMPLE = "probec status specs/demo.yaml --poll"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The shared ones, and whether to ask the provider."""
    wire.add_spec_arguments(parser)
    parser.add_argument("--poll", action="store_true", help="ask the provider how each batch is")
    parser.add_argument("--all", action="store_true", help="finished batches and events too")


def run(args: argparse.Namespace) -> Result:
    """Show every open batch of the project and the ledger of this spec."""
    project = wire.project(args)
    journal = project.journal
    shards = journal.shards(None if args.all else OPEN)
    remote = {shard.id: _remote(shard) for shard in shards} if args.poll else {}
    lines = [_batches(shards, remote, project.clock.now())]
    bill, data = money(project)
    lines += [bill or "nothing was paid for yet"]
    events = journal.events() if args.all and journal.exists() else []
    if events:
        rows = [(_time(at), shard, kind, detail[:80]) for at, shard, kind, detail in events]
        lines.append(table(("event at", "shard", "what", "detail"), rows))
    found: dict[str, Json] = {
        "shards": [msgspec.to_builtins(shard) for shard in shards],
        "remote": {str(number): text for number, text in remote.items()},
        "money": data,
        "events": [[at, shard, kind, detail] for at, shard, kind, detail in events],
    }
    return Result("\n\n".join(lines), found)


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
