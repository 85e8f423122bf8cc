"""Results of an ended batch: fetched whole, proven whole, then read line by line.

A stream that is cut at a line boundary ends without any error, so nothing is believed before the
lines were counted against what the server says it has.
"""

from __future__ import annotations

import hashlib
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import zstandard

from compiler.errors import StoreError
from compiler.llm.batches.api import BatchApi, Remote, lines
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import ordinal_of, prefix_of, sync_folder


@dataclass
class Survey:
    """What a results file holds: ordinals with the offset of their line, and what is odd."""

    offsets: dict[int, int] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fetch(api: BatchApi, journal: Journal, shard: Shard) -> None:
    """Download the results to their place, durably. Raises NotThere or Unreachable."""
    assert shard.batch_id is not None
    path = journal.results(shard.id)
    part = path.with_suffix(".part")
    with _translated(part):
        api.download(shard.batch_id, part)
        with part.open("rb") as file:
            os.fsync(file.fileno())
        os.replace(part, path)
        sync_folder(path.parent)


@contextmanager
def _translated(part: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StoreError(
            f"results cannot be written: {error.strerror or error}",
            where=str(part),
            hint="free some space and run the same command again; the batch keeps its results",
        ) from error


def archive(journal: Journal, shard: Shard) -> None:
    """Compress the results of an applied shard; they are kept, but not read again."""
    path = journal.results(shard.id)
    packed = path.with_suffix(".jsonl.zst")
    part = path.with_suffix(".part")
    with _translated(part):
        with path.open("rb") as raw, part.open("wb") as out:
            zstandard.ZstdCompressor(level=6).copy_stream(raw, out)
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, packed)
        sync_folder(path.parent)
        path.unlink()


def survey(api: BatchApi, journal: Journal, shard: Shard, remote: Remote) -> Survey:
    """Read a results file once and hold it against the shard and the server's counts."""
    prefix = prefix_of(journal.nonce, shard.id, shard.attempt)
    found = Survey()
    digests: dict[int, bytes] = {}
    for at, raw in lines(journal.results(shard.id)):
        line = api.peek(raw)
        if line is None:
            found.problems.append(f"the line at byte {at} is cut or no JSON")
            continue
        custom_id, kind = line
        ordinal = ordinal_of(custom_id, prefix)
        if ordinal is None or ordinal >= shard.n:
            found.foreign.append(custom_id)
            continue
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if ordinal in digests:
            if digests[ordinal] != digest:
                found.problems.append(f"{custom_id} has two different results")
            continue
        digests[ordinal] = digest
        found.offsets[ordinal] = at
        found.kinds[kind] += 1
    told = {kind: count for kind, count in remote.counts.items() if count}
    if remote.size != shard.n or told.get("processing", 0):
        # Without counts to believe, every request must have its line.
        if len(found.offsets) < shard.n:
            found.problems.append(f"{len(found.offsets)} of {shard.n} results are there")
        return found
    for kind, count in told.items():
        # Servers differ in whether a canceled request has a line.
        if kind != "canceled" and found.kinds[kind] < count:
            found.problems.append(f"{found.kinds[kind]} of {count} {kind} results are there")
    return found
