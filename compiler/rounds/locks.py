"""Round locks: the inputs and output digests of a finished round, named by their hash.

A lock is one JSON file, `build/rounds/<dataset>/<index>-<hash>.json`. Its hash is the digest of the
digests of its parts, so an edit is traced to a part. Facts outside the identity (cost, batches,
library versions, step keys in this build directory) have a digest of their own.

The locks of a dataset fix the documents of each locked round: later rounds draw from the others,
and two rounds that share a document are an error whenever locks are read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec
from msgspec import Struct

from compiler.engine.store import plain, write_atomic
from compiler.errors import DamagedError, StoreError, UsageError
from compiler.keys import digest

SCHEMA = 1
# Hex digits of the hash in a lock's file name.
SHORT = 16
_HEX = frozenset("0123456789abcdef")
# The prefixes of a hash that name a round in an argument that may also be a path.
HASH = re.compile(r"[0-9a-f]{4,64}")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_VARIATION = re.compile(r"(?:~[A-Za-z0-9._=+,-]+)?")


class Slice(Struct, frozen=True):
    """The declaration of one stage: version, parameters, and template digests by name.

    `params` is None for a stage over the whole source, which the round's documents stand for.
    """

    version: int
    params: object
    templates: dict[str, str]


class Drawn(Struct, frozen=True):
    """The source that the documents were drawn from: resolved revision and content digest."""

    revision: str | None
    digest: str


class TokenizerUse(Struct, frozen=True):
    """A tokenizer file: the digest of its content, which names its blob, and the suffix of its
    name, which gives its format."""

    digest: str
    suffix: str


class Asked(Struct, frozen=True):
    """A set of request keys: their number, and the SHA-256 of the sorted keys, 32 bytes each. That
    digest names the blob with the list of a step."""

    count: int
    digest: str


class Identity(Struct, frozen=True):
    """The identity of a round: the fields that its hash covers.

    `templates`: path from the project root -> full text. `documents`: doc_id -> content digest.
    `packs`: the blobs that hold those documents, in draw order. `requests`: the request keys of
    each step that sends requests; `asked`: of all of them. `outputs`: step -> output -> content
    digest.
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


class Recorded(msgspec.Struct, frozen=True, omit_defaults=True):
    """The facts about a build that are not part of the round's identity.

    Times are UTC. `usd`, `calls`: recorded for this round of this dataset when it was locked.
    `rows`: number of probes. `steps`: step -> its key in the build directory. `files`: stored file
    -> SHA-256 of its bytes, as written by these versions of `libraries`. `replies`: step that sends
    requests -> digest of the replies that it was built from; empty in locks of earlier versions.
    `servers`: path -> the account that a completion server gave of itself when requests were sent.
    `variation`: the suffix of its dataset's name, empty for a spec as written.
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
    replies: dict[str, str] = {}
    servers: dict[str, str] = {}
    variation: str = ""


class Lock(Struct, frozen=True):
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

    @property
    def dataset(self) -> str:
        """The name of the dataset that the round is part of, which may be a variant's."""
        return f"{self.identity.name}{self.recorded.variation}"

    def needs(self) -> list[str]:
        """Return the names of the blobs that the round needs beside its replies."""
        identity = self.identity
        tokenizers = (use.digest for use in identity.tokenizers.values())
        return [*identity.packs, *tokenizers, *(each.digest for each in identity.requests.values())]

    def encode(self) -> bytes:
        """Return the bytes of its file."""
        return msgspec.json.format(msgspec.json.encode(self), indent=1) + b"\n"


def seal(identity: Identity, recorded: Recorded) -> Lock:
    """Create the lock of a round, with its digests."""
    parts = _parts(identity)
    return Lock(digest("round", parts), parts, identity, recorded, _recorded_digest(recorded))


def _recorded_digest(recorded: Recorded) -> str:
    # Fields that earlier versions had not are left out where they are empty.
    return digest("recorded", plain(recorded))


def _parts(identity: Identity) -> dict[str, str]:
    """Compute the digest of every part; mappings have a part for each name."""
    found: dict[str, str] = {}
    for field in identity.__struct_fields__:
        value = plain(getattr(identity, field))
        if field in ("spec", "templates", "tokenizers", "stages", "requests", "outputs"):
            assert isinstance(value, dict)
            for name, part in value.items():
                found[f"{field}/{name}"] = digest("part", part)
        else:
            found[field] = digest("part", value)
    return found


def decode(data: bytes, where: str) -> Lock:
    """Read a lock from the bytes of its file.

    Raises:
        DamagedError: the bytes are not those that were written; the message names the part.
        StoreError: the lock has another schema.
    """
    try:
        lock = msgspec.json.decode(data, type=Lock)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _damaged(where, f"it cannot be read: {error}") from error
    if lock.identity.schema != SCHEMA:
        raise StoreError(
            f"the lock has schema {lock.identity.schema}; this version reads schema {SCHEMA}",
            where=where,
            hint="use the version of probec that wrote it",
        )
    _refuse_odd_names(lock.identity, lock.recorded.variation, where)
    found = _parts(lock.identity)
    changed = [name for name in found | lock.parts if found.get(name) != lock.parts.get(name)]
    if changed:
        more = f" and {len(changed) - 1} more" if len(changed) > 1 else ""
        raise _damaged(where, f"{changed[0]}{more} does not match its digest")
    if lock.hash != digest("round", found):
        raise _damaged(where, "its parts do not match its hash")
    if lock.recorded_digest != _recorded_digest(lock.recorded):
        raise _damaged(where, "the recorded facts do not match their digest")
    if lock.encode() != data:
        raise _damaged(where, "its text is not as it was written")
    return lock


def _refuse_odd_names(identity: Identity, variation: str, where: str) -> None:
    """Raise for a name that is not a digest or a file name: names in a lock become paths."""
    names = [*identity.packs, *(use.digest for use in identity.tokenizers.values())]
    names += [use.digest for use in identity.requests.values()]
    odd = [name for name in names if len(name) != 64 or not set(name) <= _HEX]
    if not _NAME.fullmatch(identity.name):
        odd.append(identity.name)
    if not _VARIATION.fullmatch(variation):
        odd.append(variation)
    if odd:
        raise _damaged(where, f"{odd[0]!r} is not a valid name")


def read(path: Path) -> Lock:
    """Read the lock in a file, with the errors of `decode`."""
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
        hint="restore the file from git or with `probec cache pull`",
    )


class Rounds(Struct, frozen=True):
    """The folder with the locks of one dataset."""

    folder: Path

    def all(self) -> list[Lock]:
        """Return every lock, sorted by round and build time."""
        locks = [read(path) for path in sorted(self.folder.glob("*-*.json"))]
        return sorted(locks, key=lambda lock: (lock.identity.round, lock.recorded.built_at))

    def path(self, lock: Lock) -> Path:
        """Return the path of a lock, which need not exist."""
        return self.folder / lock.file

    def save(self, lock: Lock) -> Path:
        """Write a lock and return its path."""
        path = self.path(lock)
        write_atomic(path, lock.encode())
        return path


def agreed(locks: Iterable[Lock], folder: Path) -> dict[int, Lock]:
    """Return one lock for each locked round, after checking that the locks agree.

    All locks of a round must name the same documents, and no two rounds may share one.

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
                hint="delete the wrong one; the other then decides the documents of the round",
            )
        if first is lock:
            for doc_id in lock.identity.documents:
                other = owner.setdefault(doc_id, lock)
                if other is not lock:
                    raise StoreError(
                        f"rounds {other.identity.round} and {lock.identity.round} are locked with "
                        f"the same document {doc_id!r}",
                        where=f"{folder / other.file}, {lock.file}",
                        hint="delete the lock of the round that should be drawn again",
                    )
    return found


def find(root: Path, prefix: str) -> tuple[Lock, Path]:
    """Find the lock with this prefix of a hash, and its path, in all datasets below `root`.

    Raises:
        UsageError: there is none, or more than one.
    """
    wanted = prefix.lower()
    if not wanted or not set(wanted) <= _HEX:
        raise UsageError(f"{prefix!r} is not a hash", hint="`probec rounds` shows the hashes")
    # A variant that changes no row of its spec has the same rounds.
    named = {
        path.name: path
        for path in sorted(root.glob("*/*-*.json"), reverse=True)
        if path.stem.rpartition("-")[2].startswith(wanted[:SHORT])
    }
    paths = sorted(named.values())
    if not paths:
        have = sorted({path.stem.rpartition("-")[2] for path in everywhere(root)})
        listed = f"have: {', '.join(have[:6])}; " if 0 < len(have) <= 6 else ""
        raise UsageError(
            f"no round {prefix} here",
            where=str(root),
            hint=f"{listed}`probec rounds` lists them, `probec cache pull URL` fetches one",
        )
    if len(paths) > 1:
        names = ", ".join(f"{path.parent.name}/{path.stem}" for path in paths)
        raise UsageError(f"{prefix} names {len(paths)} rounds: {names}", hint="give more digits")
    lock = read(paths[0])
    if not lock.hash.startswith(wanted):
        raise UsageError(f"no round {prefix} here", where=str(root), hint="see `probec rounds`")
    return lock, paths[0]


def everywhere(root: Path) -> list[Path]:
    """Return the paths of the locks of all datasets below `root`."""
    return sorted(root.glob("*/*-*.json"))
