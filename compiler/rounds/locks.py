"""Round locks: what a finished round was made of and came to, under a hash that names it.

A lock is one JSON file, `build/rounds/<dataset>/<index>-<hash>.json`. Its hash is the digest of the
digests of its parts, so a changed lock says which part was changed. What is only recorded (cost,
batches, versions of libraries, places in this build directory) has a digest of its own.

The locks of a dataset say which documents each round has: whatever is drawn later leaves those out,
and two rounds that share a document are an error wherever locks are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import msgspec

from compiler.engine.store import plain, write_atomic
from compiler.errors import DamagedError, StoreError, UsageError
from compiler.keys import digest

SCHEMA = 1
# Hex digits of the hash in a lock's file name.
SHORT = 16
_HEX = frozenset("0123456789abcdef")
# What may name a round where a path may stand as well.
HASH = re.compile(r"[0-9a-f]{4,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")


@dataclass(frozen=True, slots=True)
class Slice:
    """What of one stage made the round: version, parameters, digests of its templates by name.

    `params` is None for a stage over the whole source: the round's own documents stand for it.
    """

    version: int
    params: object
    templates: dict[str, str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """Where the round's documents were drawn from: the resolved revision and the content."""

    revision: str | None
    digest: str


@dataclass(frozen=True, slots=True)
class TokenizerUse:
    """A tokenizer by the content of its file. `suffix`: of the file's name, which says how to read
    it. The file is a blob of that name."""

    digest: str
    suffix: str


@dataclass(frozen=True, slots=True)
class Asked:
    """Request keys: how many, and the SHA-256 of all of them, sorted, 32 bytes each. The list of a
    step is a blob of that name."""

    count: int
    digest: str


@dataclass(frozen=True, slots=True)
class Identity:
    """Everything that makes a round the round it is.

    `templates`: path from the project root -> full text. `documents`: doc_id -> content digest.
    `packs`: the blobs that hold those documents, in draw order. `requests`: the keys of each asking
    step; `asked` of all together. `outputs`: step -> output -> content digest.
    """

    schema: int
    name: str
    round: int
    seed: int
    spec: dict[str, object]
    templates: dict[str, str]
    source: Drawn
    documents: dict[str, str]
    packs: tuple[str, ...]
    tokenizers: dict[str, TokenizerUse]
    stages: dict[str, Slice]
    asked: Asked
    requests: dict[str, Asked]
    outputs: dict[str, dict[str, str]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """What is good to know and no part of the identity.

    Times are UTC. `usd`, `calls`: booked for this round of this dataset when it was locked. `rows`:
    probes. `steps`: step -> its key in the build directory. `files`: stored file -> SHA-256 of its
    bytes, as the named `libraries` wrote it.
    """

    built_at: str
    submitted_at: tuple[str, ...]
    batches: tuple[str, ...]
    calls: int
    usd: float
    rows: int
    source: str
    tool: str
    python: str
    libraries: dict[str, str]
    steps: dict[str, str]
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Lock:
    """One locked round."""

    hash: str
    parts: dict[str, str]
    identity: Identity
    recorded: Recorded
    recorded_digest: str

    @property
    def file(self) -> str:
        """The name of its file."""
        return f"{self.identity.round}-{self.hash[:SHORT]}.json"

    def needs(self) -> list[str]:
        """The blobs that hold what the round needs beside replies."""
        identity = self.identity
        tokenizers = (use.digest for use in identity.tokenizers.values())
        return [*identity.packs, *tokenizers, *(each.digest for each in identity.requests.values())]

    def encode(self) -> bytes:
        """The bytes of its file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def seal(identity: Identity, recorded: Recorded) -> Lock:
    """The lock of a round."""
    parts = _parts(identity)
    return Lock(digest("round", parts), parts, identity, recorded, _recorded_digest(recorded))


def _recorded_digest(recorded: Recorded) -> str:
    return digest("recorded", plain(recorded))


def _parts(identity: Identity) -> dict[str, str]:
    """The digest of every part; what is kept by name has one for each name."""
    found: dict[str, str] = {}
    for field in fields(identity):
        value = plain(getattr(identity, field.name))
        if field.name in ("spec", "templates", "tokenizers", "stages", "requests", "outputs"):
            assert isinstance(value, dict)
            for name, each in value.items():
                found[f"{field.name}/{name}"] = digest("part", each)
        else:
            found[field.name] = digest("part", value)
    return found


def decode(data: bytes, where: str) -> Lock:
    """A lock from the bytes of its file.

    Raises:
        DamagedError: it is not what was written; names the part that was changed.
    """
    try:
        lock = msgspec.json.decode(data, type=Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(where, f"it cannot be read: {error}") from error
    if lock.identity.schema != SCHEMA:
        raise StoreError(
            f"a lock of schema {lock.identity.schema}, this version reads {SCHEMA}",
            where=where,
            hint="use the version of probec that wrote it",
        )
    _refuse_odd_names(lock.identity, where)
    found = _parts(lock.identity)
    changed = [name for name in found | lock.parts if found.get(name) != lock.parts.get(name)]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise _damaged(where, f"{changed[0]}{more} is not what its hash was made of")
    if lock.hash != digest("round", found):
        raise _damaged(where, "its parts are not what its hash was made of")
    if lock.recorded_digest != _recorded_digest(lock.recorded):
        raise _damaged(where, "what is recorded beside its identity was changed")
    if lock.encode() != data:
        raise _damaged(where, "its text is not as it was written")
    return lock


def _refuse_odd_names(identity: Identity, where: str) -> None:
    """Names in a lock become paths, and locks come from other people."""
    names = [*identity.packs, *(use.digest for use in identity.tokenizers.values())]
    names += [use.digest for use in identity.requests.values()]
    odd = [name for name in names if len(name) != 64 or not set(name) <= _HEX]
    if not _NAME.fullmatch(identity.name):
        odd.append(identity.name)
    if odd:
        raise _damaged(where, f"{odd[0]!r} is no name of anything")


def read(path: Path) -> Lock:
    """The lock in a file; raises as `decode` does."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from error
    lock = decode(data, str(path))
    if path.name != lock.file:
        raise _damaged(str(path), f"its name should be {lock.file}")
    return lock


def _damaged(where: str, what: str) -> DamagedError:
    return DamagedError(
        f"the round lock is damaged: {what}",
        where=where,
        hint="bring the file back from git or with `probec cache pull`",
    )


@dataclass(frozen=True)
class Rounds:
    """The locks of one dataset in its folder."""

    folder: Path

    def all(self) -> list[Lock]:
        """Every lock, by round and time of building."""
        locks = [read(path) for path in sorted(self.folder.glob("*-*.json"))]
        return sorted(locks, key=lambda lock: (lock.identity.round, lock.recorded.built_at))

    def path(self, lock: Lock) -> Path:
        """Where a lock is, or would be."""
        return self.folder / lock.file

    def save(self, lock: Lock) -> Path:
        """Write a lock; returns its file."""
        path = self.path(lock)
        write_atomic(path, lock.encode())
        return path


def agreed(locks: Iterable[Lock], folder: Path) -> dict[int, Lock]:
    """The lock that says which documents a round has, for every locked round.

    All locks of a round name the same documents, and no two rounds share one.

    Raises:
        StoreError: two locks of a round differ in documents, or two rounds share one.
    """
    found: dict[int, Lock] = {}
    owner: dict[str, Lock] = {}
    for lock in locks:
        first = found.setdefault(lock.identity.round, lock)
        if first.identity.documents != lock.identity.documents:
            raise StoreError(
                f"two locks of round {lock.identity.round} name different documents: {first.file} "
                f"and {lock.file}",
                where=str(folder),
                hint="delete the one that is not meant; the round is then what the other says",
            )
        if first is lock:
            for doc_id in lock.identity.documents:
                other = owner.setdefault(doc_id, lock)
                if other is not lock:
                    raise StoreError(
                        f"rounds {other.identity.round} and {lock.identity.round} are locked with "
                        f"the same document {doc_id!r}",
                        where=f"{folder / other.file}, {lock.file}",
                        hint="delete the lock of the round that is to be drawn anew",
                    )
    return found


def find(root: Path, prefix: str) -> tuple[Lock, Path]:
    """The lock whose hash starts so, and its file, among all datasets below `root`.

    Raises:
        UsageError: there is none, or more than one.
    """
    wanted = prefix.lower()
    if not wanted or not set(wanted) <= _HEX:
        raise UsageError(f"{prefix!r} is no hash", hint="hex digits, as `probec rounds` shows them")
    paths = [
        path
        for path in sorted(root.glob("*/*-*.json"))
        if path.stem.rpartition("-")[2].startswith(wanted[:SHORT])
    ]
    if not paths:
        raise UsageError(
            f"no round {prefix} here",
            where=str(root),
            hint="`probec rounds SPEC` lists them; `probec cache pull URL` brings one",
        )
    if len(paths) > 1:
        names = ", ".join(f"{path.parent.name}/{path.stem}" for path in paths)
        raise UsageError(f"{prefix} names {len(paths)} rounds: {names}", hint="give more digits")
    lock = read(paths[0])
    if not lock.hash.startswith(wanted):
        raise UsageError(f"no round {prefix} here", where=str(root), hint="see `probec rounds`")
    return lock, paths[0]


def everywhere(root: Path) -> list[Path]:
    """The files of all locks of all datasets below `root`."""
    return sorted(root.glob("*/*-*.json"))
