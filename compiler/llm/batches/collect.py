"""Results of an ended batch: downloaded, checked for completeness, then read line by line.

A stream that is cut at a line boundary ends without an error, so no line is used before all lines
were counted and compared with the server's counts.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import zstandard
from msgspec import Struct, field

from compiler.errors import StoreError
from compiler.llm.batches.api import BatchApi, Remote, lines
from compiler.llm.batches.apply import CANCELED
from compiler.llm.batches.conflicts import CONFLICT
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import ordinal_of, prefix_of, sync_folder
from compiler.llm.messages import Purpose


class Survey(Struct):
    """The contents of a results file.

    `offsets`: byte offset of a line by ordinal. `kinds`: number of results by kind. `foreign`:
    custom ids of other shards. `conflicts`: custom ids with different results. `problems`: signs of
    an incomplete file.
    """

    offsets: dict[int, int] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    foreign: list[str] = field(default_factory=list)
    conflicts: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)


def fetch(api: BatchApi, journal: Journal, shard: Shard) -> None:
    """Download the results of a shard, durably. Raises NotThere or Unreachable."""
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
            hint="free some space and run the same command again; the provider keeps the results",
        ) from error


def archive(journal: Journal, shard: Shard) -> None:
    """Compress the results of an applied shard, which only `probec cache recover` reads again."""
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


class Mapping(Struct, frozen=True):
    """The first line of a file that maps results to requests, enough to rebuild a lost log.

    The second line has the key and the index of the purpose of each request, by ordinal. `some`: a
    few keys that got replies, for a quick check of a log.
    """

    batch_id: str | None
    prefix: str
    purposes: list[Purpose]
    some: list[str]


def map_keys(journal: Journal, shard: Shard, some: list[str]) -> None:
    """Write the mapping of a shard while the journal still has its requests, durably."""
    requests = journal.requests(shard.id).values()
    numbers = sorted({each.purpose for each in requests})
    prefix = prefix_of(journal.nonce, shard.id, shard.attempt)
    top = Mapping(shard.batch_id, prefix, [journal.purpose(n) for n in numbers], some)
    rows = {each.ordinal: (each.key, numbers.index(each.purpose)) for each in requests}
    path = journal.folder / f"{shard.id:06d}.keys.json"
    part = path.with_suffix(".part")
    with _translated(part):
        with part.open("wb") as out:
            out.write(msgspec.json.encode(top) + b"\n" + msgspec.json.encode(rows) + b"\n")
            out.flush()
            os.fsync(out.fileno())
        os.replace(part, path)
        sync_folder(path.parent)


def _line_at(path: Path, offset: int) -> bytes:
    with path.open("rb") as file:
        file.seek(offset)
        return file.readline().rstrip(b"\r\n")


def archived(journal: Journal, shard: int) -> Iterator[bytes]:
    """Yield the lines of a shard's results, compressed or not yet."""
    path = journal.results(shard)
    if path.is_file():
        yield from (raw for _, raw in lines(path))
        return
    with zstandard.open(path.with_suffix(".jsonl.zst"), "rb") as unpacked:
        yield from io.BufferedReader(unpacked)


def survey(api: BatchApi, journal: Journal, shard: Shard, remote: Remote) -> Survey:
    """Compare a results file with its shard and with the server's counts, in one pass."""
    prefix = prefix_of(journal.nonce, shard.id, shard.attempt)
    found = Survey()
    digests: dict[int, bytes] = {}
    for at, raw in lines(journal.results(shard.id)):
        line = api.peek(raw)
        if line is None:
            found.problems.append(f"the line at byte {at} is truncated or not JSON")
            continue
        custom_id, kind = line
        ordinal = ordinal_of(custom_id, prefix)
        if ordinal is None or ordinal >= shard.n:
            found.foreign.append(custom_id)
            continue
        digest = hashlib.blake2b(raw, digest_size=16).digest()
        if ordinal in digests:
            known = custom_id in found.conflicts
            if digests[ordinal] != digest and not known:
                first = _line_at(journal.results(shard.id), found.offsets[ordinal])
                # Equal results may be written in different ways.
                if api.parse(first) != api.parse(raw):
                    found.conflicts.append(custom_id)
            continue
        digests[ordinal] = digest
        found.offsets[ordinal] = at
        found.kinds[kind] += 1
    counts = {kind: count for kind, count in remote.counts.items() if count}
    if remote.size != shard.n or counts.get("processing", 0):
        # Without usable counts, every request must have a line.
        if len(found.offsets) < shard.n:
            found.problems.append(f"only {len(found.offsets)} of {shard.n} results")
        return found
    for kind, count in counts.items():
        # Servers differ in whether a canceled request has a line.
        if kind != "canceled" and found.kinds[kind] < count:
            found.problems.append(f"only {found.kinds[kind]} of {count} {kind} results")
    return found


def record(journal: Journal, shard: Shard, remote: Remote, found: Survey, now: float) -> None:
    """Record what is unusual about results that are accepted, before they are applied."""
    for problem in found.problems[:10]:
        journal.note(now, "partial", problem, shard.id)
    if remote.counts.get("canceled"):
        journal.note(now, CANCELED, str(remote.counts["canceled"]), shard.id)
    for custom_id in found.conflicts:
        journal.note(now, CONFLICT, custom_id, shard.id)
    for custom_id in found.foreign[:10]:
        journal.note(now, "foreign_result", custom_id, shard.id)
