"""Rounds and what they need, pushed to and pulled from a shared directory or URL.

    rounds/<hash>.json      a lock, written last: if it exists, everything that it needs does
    bundles/<hash>.json     the names of the chunks with each step's replies
    chunks/<sha256>         compressed with zstd, named by the SHA-256 of the content, immutable

A chunk that exists is not transferred again. Every pulled chunk is checked against its name before
its replies enter the log. A reply in the log is replaced only if it is damaged, and is then kept
aside. A round with other replies to requests that the log answers is not pulled.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import msgspec

from compiler.engine.remote import Remote
from compiler.errors import DamagedError, StoreError, UsageError
from compiler.keys import bytes_digest
from compiler.llm.responses import ResponseLog
from compiler.project.place import Place
from compiler.project.slices import keys_in
from compiler.reproduction.chunks import Chunk, Moved, Pulled, fetched, line, there
from compiler.reproduction.conflicts import Conflict, cause, others
from compiler.reproduction.rebuild import documents, needed
from compiler.rounds import locks
from compiler.rounds.blobs import pack
from compiler.rounds.locks import Identity, Lock, Rounds

# Bytes of replies in a chunk, before compression. An interruption loses at most one chunk.
_CHUNK = 4 << 20


@dataclass(frozen=True, slots=True)
class Bundle:
    """The contents of a round: names of blobs, and by paid step its chunks in the order of keys."""

    hash: str
    blobs: tuple[str, ...]
    replies: dict[str, tuple[Chunk, ...]]


def _blob_names(identity: Identity) -> list[str]:
    names = [name for _, name in needed(identity)]
    names += [use.digest for use in identity.requests.values()]
    return list(dict.fromkeys(names))


def push(place: Place, remote: Remote, locks: list[Lock], notice: Callable[[str], None]) -> Moved:
    """Push rounds and what they need.

    Raises:
        StoreError: something that they need is not stored here, or the transfer failed.
        DamagedError: something that they need does not have its digest.
    """
    moved = Moved()
    log = place.log()
    try:
        there = remote.sizes("chunks")
        for lock in locks:
            files, had = moved.files, moved.there
            _push_round(place, log, remote, lock, there, moved)
            sent, were = moved.files - files, moved.there - had
            notice(f"round {lock.hash[:12]}: {sent} files sent, {were} already there")
            moved.rounds.append(lock.hash)
    finally:
        log.close()
    return moved


def _push_round(
    place: Place, log: ResponseLog, remote: Remote, lock: Lock, there: dict[str, int], moved: Moved
) -> None:
    identity = lock.identity

    def send(data: bytes) -> str:
        name, packed = bytes_digest(data), pack(data)
        if there.get(name) == len(packed):
            moved.there += 1
        else:
            remote.put(f"chunks/{name}", packed)
            there[name] = len(packed)
            moved.files += 1
            moved.bytes += len(packed)
        return name

    blobs = _blob_names(identity)
    for name in blobs:
        send(_kept(place, name))
    # Reading every document checks it against the lock.
    for _ in documents(identity, place.blobs):
        pass
    replies: dict[str, tuple[Chunk, ...]] = {}
    for step, use in identity.requests.items():
        chunks = []
        keys = keys_in(_kept(place, use.digest))
        if others(lock, step, log, keys):
            raise StoreError(
                f"round {lock.hash[:12]} was built from other replies of {step} than the log has: "
                f"{cause(log, keys)}",
                where=str(log.path),
                hint="push it from a log that has them; `probec verify HASH` lists the steps",
            )
        for count, data in _cut(log, keys, step):
            chunks.append(Chunk(send(data), count))
            moved.replies += count
        replies[step] = tuple(chunks)
    bundle = msgspec.json.encode(Bundle(lock.hash, tuple(blobs), replies))
    for name, data in ((f"bundles/{lock.hash}.json", bundle), (_lock_name(lock), lock.encode())):
        # A lock that is there has the same identity; its recorded facts are the first pusher's.
        have = remote.get(name)
        if have is None or (have != data and name != _lock_name(lock)):
            remote.put(name, data)
            moved.files += 1
            moved.bytes += len(data)
        else:
            moved.there += 1


def _lock_name(lock: Lock) -> str:
    return f"rounds/{lock.hash}.json"


def _kept(place: Place, name: str) -> bytes:
    data = place.blobs.get(name)
    if data is None:
        raise StoreError(
            "a document pack, tokenizer or key list of the round is not stored here",
            where=str(place.blobs.path(name)),
            hint="`probec reproduce HASH` names it; `probec build` stores it again",
        )
    return data


def _cut(log: ResponseLog, keys: list[str], step: str) -> Iterator[tuple[int, bytes]]:
    """Yield (number of replies, bytes) of chunks of about equal size; a line is `key json`."""
    lines: list[bytes] = []
    size = 0
    for key in keys:
        text = log.text(key)
        if text is None:
            raise StoreError(
                f"the reply to request {key[:12]} of {step} is not in the log",
                where=str(log.path),
                hint="`probec reproduce HASH` lists all missing replies; only complete rounds are "
                "pushed",
            )
        lines.append(line(key, text))
        size += len(lines[-1])
        if size >= _CHUNK:
            yield len(lines), b"".join(lines)
            size = 0
            lines = []
    if lines:
        yield len(lines), b"".join(lines)


def chosen(place: Place, prefixes: list[str]) -> list[Lock]:
    """Find the locks of a place that these prefixes name; all of them without prefixes.

    Raises:
        UsageError: a prefix names none or more than one, or there are no rounds.
    """
    every = [place.lock(each)[0] for each in prefixes] or [
        locks.read(path) for path in locks.everywhere(place.locks)
    ]
    found = list({lock.hash: lock for lock in reversed(every)}.values())[::-1]
    if not found:
        raise UsageError("no locked round here", where=str(place.locks), hint="run `probec build`")
    return found


def shared(remote: Remote) -> list[str]:
    """List the hashes of the rounds at a URL."""
    names = sorted(remote.sizes("rounds"))
    return [name.removesuffix(".json") for name in names if name.endswith(".json")]


def wanted(remote: Remote, prefixes: list[str]) -> list[str]:
    """Find the hashes at a URL that these prefixes name; all of them without prefixes.

    Raises:
        UsageError: a prefix names none or more than one, or there are no rounds.
    """
    have = shared(remote)
    found: list[str] = [] if prefixes else have
    for prefix in prefixes:
        named = [each for each in have if each.startswith(prefix.lower())]
        if len(named) != 1:
            raise UsageError(
                f"{prefix} matches {len(named)} of the {len(have)} rounds there",
                where=remote.url,
                hint="give more digits" if named else "push the round first",
            )
        found += named
    if not found:
        raise UsageError("no rounds there", where=remote.url, hint="run `probec cache push` first")
    return found


def pull(place: Place, remote: Remote, hashes: list[str], notice: Callable[[str], None]) -> Moved:
    """Pull rounds and what they need.

    Raises:
        DamagedError: a file does not have the digest in its name; it is not stored.
        StoreError: a file is not there, or the transfer failed; files that arrived are kept.
    """
    moved = Moved()
    log = place.log(incomplete=True)
    try:
        for each in hashes:
            lock = _pull_lock(place, remote, each)
            replies, known = moved.replies, moved.known
            own = Rounds(place.locks / lock.dataset)
            conflict = Conflict(lock, own.path(lock).is_file())
            _pull_round(place, log, remote, conflict, moved)
            if conflict.keys:
                conflict.explain(place, log)
                moved.conflicts.append(conflict)
                continue
            # The lock is saved last, so that everything that it needs is here.
            if not conflict.locked:
                own.save(lock)
            new, had = moved.replies - replies, moved.known - known
            notice(f"round {lock.hash[:12]}: {new:,} new replies, {had:,} already in the log")
            moved.rounds.append(lock.hash)
        if missing := log.missing():
            notice(f"the response log still lacks {missing:,} replies that were committed")
    finally:
        log.close()
    return moved


def _pull_lock(place: Place, remote: Remote, hash_: str) -> Lock:
    name = f"rounds/{hash_}.json"
    lock = locks.decode(there(remote, name), f"{remote.url}/{name}")
    if lock.hash != hash_:
        raise DamagedError(
            "the lock does not have the hash in its name",
            where=f"{remote.url}/{name}",
            hint="push the round again from where it was built",
        )
    folder = place.locks / lock.dataset
    # A lock that contradicts the local ones would make every later build fail.
    try:
        locks.agreed([*Rounds(folder).all(), lock], folder)
    except DamagedError:
        raise
    except StoreError as error:
        error.hint = "it was drawn differently from the local rounds: pull it elsewhere with --dir"
        raise
    return lock


def _pull_round(
    place: Place, log: ResponseLog, remote: Remote, conflict: Conflict, moved: Moved
) -> None:
    """Pull what a round needs, unless its replies contradict the log.

    If the round is locked here, its missing and damaged replies are pulled nevertheless.
    """
    lock = conflict.lock
    name = f"bundles/{lock.hash}.json"
    try:
        bundle = msgspec.json.decode(there(remote, name), type=Bundle)
    except msgspec.DecodeError as error:
        raise DamagedError(
            f"the bundle cannot be read: {error}",
            where=f"{remote.url}/{name}",
            hint="push the round again from where it was built",
        ) from error
    for blob in dict.fromkeys(use.digest for use in lock.identity.requests.values()):
        _pull_blob(place, remote, blob, moved)
    waiting = []
    for step, use in lock.identity.requests.items():
        keys = keys_in(place.blobs.get(use.digest) or b"")
        chunks = bundle.replies.get(step, ())
        if sum(chunk.keys for chunk in chunks) != len(keys):
            raise DamagedError(
                f"the bundle does not have all replies of {step}",
                where=f"{remote.url}/{name}",
                hint="push the round again from where it was built",
            )
        at = 0
        for chunk in chunks:
            pulled = Pulled(remote, chunk, keys[at : at + chunk.keys])
            at += chunk.keys
            if pulled.is_here(log):
                moved.there += 1
                moved.known += chunk.keys
                continue
            waiting.append(pulled)
            conflict.keys |= dict.fromkeys(pulled.differing(log, moved), step)
    if conflict.keys and not conflict.locked:
        return
    for _, blob in needed(lock.identity):
        _pull_blob(place, remote, blob, moved)
    for pulled in waiting:
        pulled.adopt(log, moved)


def _pull_blob(place: Place, remote: Remote, name: str, moved: Moved) -> None:
    if _is_kept(place, name):
        moved.there += 1
    else:
        place.blobs.put(fetched(remote, name, moved))


def _is_kept(place: Place, name: str) -> bool:
    """Test if a blob is stored and intact; remove a damaged one."""
    try:
        return place.blobs.get(name) is not None
    except DamagedError:
        place.blobs.path(name).unlink()
        return False
