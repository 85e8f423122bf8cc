"""Replies in the archived results of batches, brought back into a response log that lost them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from msgspec import Struct

from compiler.errors import StoreError
from compiler.llm.batches.journal import Journal
from compiler.llm.messages import BILLED
from compiler.llm.providers import parse_result
from compiler.llm.responses import ResponseLog
from compiler.project.project import PAID

if TYPE_CHECKING:
    from compiler.llm.batches.api import Line
    from compiler.project.place import Place


_BUSY = "wait until that build ends, or Ctrl-C it first"


class Recovered(Struct):
    """Archived batches, and their replies: new in the log, there already, and unreadable.

    `unmapped`: batches whose results do not say which requests they answer, archived by an earlier
    version. `missing`: committed replies that the log still lacks.
    """

    batches: int = 0
    recovered: int = 0
    known: int = 0
    unreadable: int = 0
    unmapped: int = 0
    missing: int = 0


def recover(place: Place, *, accept_loss: bool) -> Recovered:
    """Bring every archived reply into the log whose key it lacks; replace and send nothing.

    The results of later batches come first: they replace those that were retired. A reply that was
    retired in this log stays so.

    Raises:
        BusyError: a build is running.
        StoreError: the log cannot be written.
    """
    from compiler.engine.lock import locked

    log, journal, found = place.log(incomplete=True), place.journal(), Recovered()
    with locked(journal.folder, PAID, _BUSY):
        try:
            retired = log.retired()
            mapped = _mappings(journal)
            for shard in sorted(mapped, reverse=True):
                _apply(log, journal, shard, mapped[shard], retired, found)
                log.commit()
            found.unmapped = len(_results(journal) - mapped.keys())
            if accept_loss:
                log.accept_loss()
            found.missing = log.missing()
        finally:
            log.close()
            journal.close()
    return found


def _apply(
    log: ResponseLog,
    journal: Journal,
    shard: int,
    path: Path,
    retired: set[str],
    found: Recovered,
) -> None:
    from compiler.llm.batches.collect import Mapping, archived
    from compiler.llm.batches.conflicts import differ, verdict
    from compiler.llm.batches.shards import ordinal_of

    found.batches += 1
    try:
        with path.open("rb") as file:
            top = msgspec.json.decode(file.readline(), type=Mapping)
            rows = msgspec.json.decode(file.readline(), type=dict[int, tuple[str, int]])
        results: dict[int, list[Line]] = {}
        for raw in archived(journal, shard):
            line = parse_result(raw)
            ordinal = None if line is None else ordinal_of(line.custom_id, top.prefix)
            if line is None or ordinal is None or ordinal not in rows:
                found.unreadable += 1
            else:
                results.setdefault(ordinal, []).append(line)
    except (OSError, StoreError, msgspec.DecodeError):
        found.unreadable += 1
        return
    for ordinal, lines in results.items():
        line = verdict(lines) if differ(lines) else lines[0]
        if line.reply is not None and line.reply.outcome in BILLED:
            key, purpose = rows[ordinal]
            new = key not in retired and log.put(key, line.reply, top.purposes[purpose])
            found.recovered += new
            found.known += not new


def notices(log: ResponseLog, journal: Journal) -> Iterator[str]:
    """Yield a notice if a few keys of each archived batch show that the log lacks replies."""
    retired = log.retired()
    lacking = 0
    for path in _mappings(journal).values():
        from compiler.llm.batches.collect import Mapping

        try:
            with path.open("rb") as file:
                top = msgspec.json.decode(file.readline(), type=Mapping)
        except (OSError, msgspec.DecodeError):
            # `recover` counts it.
            continue
        lacking += any(key not in log and key not in retired for key in top.some)
    if lacking:
        yield (
            f"the response log lacks replies of {lacking:,} archived "
            f"batch{'es' if lacking > 1 else ''}, which would be paid for again: `probec cache "
            "recover` brings them back"
        )


def _mappings(journal: Journal) -> dict[int, Path]:
    return {int(path.name[:6]): path for path in journal.folder.glob("[0-9]*.keys.json")}


def _results(journal: Journal) -> set[int]:
    return {int(path.name[:6]) for path in journal.folder.glob("[0-9]*.results.jsonl.zst")}
