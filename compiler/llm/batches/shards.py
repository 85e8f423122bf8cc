"""Shards: calls packed by both limits, each sealed as the exact bytes that will be sent."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, Protocol

from msgspec import Struct

from compiler.errors import ProviderError, StoreError
from compiler.llm.batches.clock import Clock, Pace
from compiler.llm.batches.journal import Journal, Sealed, Shard
from compiler.llm.batches.states import OPEN, Event, State
from compiler.llm.messages import Call, Purpose
from compiler.llm.purse import Purse

_HEAD, _TAIL = b'{"requests":[', b"]}"
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"


class Limits(Struct, frozen=True):
    """The limits of one batch, and of the requests that may wait at the server at once."""

    max_requests: int
    max_bytes: int
    queue_requests: int


class Watcher(Protocol):
    """A receiver of progress and notices."""

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        """Report the open shards. `left`: estimated seconds until all have ended, if known."""

    def notice(self, text: str) -> None:
        """Report a message to the user."""


class BatchSettings(Struct, frozen=True):
    """The settings of batches, apart from the requests; none is part of a request key."""

    journal: Journal
    limits: Limits
    pace: Pace
    clock: Clock
    watcher: Watcher


class _Placed(Struct, frozen=True):
    """One request in the body being written."""

    key: str
    purpose: int
    at: int
    size: int
    usd: float


class Packer:
    """A writer of bodies, one at a time; a full one is sealed and journaled before the next begins.

    A context manager: the end of the block seals the last body.
    """

    def __init__(
        self,
        journal: Journal,
        endpoint: str,
        limits: Limits,
        price: Callable[[Purpose], float],
        attempt: int = 1,
    ) -> None:
        self._journal = journal
        self._endpoint = endpoint
        self._limits = limits
        self._price = price
        self._attempt = attempt
        self._file: BinaryIO | None = None
        self._id = 0
        self._placed: list[_Placed] = []
        self._labels: dict[str, None] = {}
        self._nonce = ""
        self._last: Purpose | None = None
        self._number, self._usd, self._label = 0, 0.0, ""
        self._at = 0

    def add(self, call: Call) -> None:
        """Place a call in the open body, which is sealed first if the call does not fit.

        Raises:
            ProviderError: the call is larger than a batch may be.
        """
        entry = self._entry(call.body)
        if len(_HEAD) + len(entry) + len(_TAIL) > self._limits.max_bytes:
            raise ProviderError(
                f"request {call.key[:12]} has {len(call.body):,} bytes; a batch may have at most "
                f"{self._limits.max_bytes:,}",
                hint="shorten the prompt or the documents",
            )
        if self._placed and not self._fits(len(entry)):
            self._seal()
            entry = self._entry(call.body)
        self._place(call, entry)

    def __enter__(self) -> Packer:
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        try:
            if error is None:
                self._finish()
        finally:
            self.close()

    def _finish(self) -> None:
        """Seal the rest. A body may return requests to keep its size unique, hence the loop."""
        while self._placed:
            self._seal()

    def _fits(self, size: int) -> bool:
        end = self._end + 1 + size + len(_TAIL)
        return len(self._placed) < self._limits.max_requests and end <= self._limits.max_bytes

    @property
    def _end(self) -> int:
        last = self._placed[-1]
        return last.at + last.size + 1

    def _entry(self, body: bytes) -> bytes:
        if self._file is None:
            self._id = self._journal.next_id()
        custom_id = custom_id_of(self._journal_nonce, self._id, self._attempt, len(self._placed))
        return b'{"custom_id":"' + custom_id.encode("ascii") + b'","params":' + body + b"}"

    @property
    def _journal_nonce(self) -> str:
        self._nonce = self._nonce or self._journal.nonce
        return self._nonce

    @property
    def usd(self) -> float:
        """Return the expected US dollars of the calls that are placed and not sealed yet."""
        return sum(each.usd for each in self._placed)

    def close(self) -> None:
        """Close the file of a body that was not sealed."""
        if self._file is not None:
            self._file.close()
            self._file = None

    def _place(self, call: Call, entry: bytes) -> None:
        with _translated(self._journal.folder):
            if self._file is None:
                self._journal.folder.mkdir(parents=True, exist_ok=True)
                self._file = self._path.open("wb+")
                self._file.write(_HEAD)
                self._at = len(_HEAD)
            else:
                self._file.write(b",")
                self._at += 1
            self._file.write(entry)
            self._at += len(entry)
        if call.purpose is not self._last:
            self._last = call.purpose
            self._number = self._journal.purpose_id(call.purpose)
            self._usd = self._price(call.purpose)
            self._label = f"{call.purpose.build} {call.purpose.role} round {call.purpose.round}"
        at = self._at - len(call.body) - 1
        self._placed.append(_Placed(call.key, self._number, at, len(call.body), self._usd))
        self._labels[self._label] = None

    @property
    def _path(self) -> Path:
        return self._journal.folder / "open.body.tmp"

    def _seal(self) -> None:
        """Seal the open body, at a size that no other open shard has if that is possible."""
        assert self._file is not None
        taken = {shard.n for shard in self._journal.shards(OPEN, self._endpoint)}
        n = next((k for k in range(len(self._placed), 0, -1) if k not in taken), len(self._placed))
        kept, back = self._placed[:n], self._placed[n:]
        returned = [self._read(each) for each in back]
        end = kept[-1].at + kept[-1].size + 1
        with _translated(self._journal.folder):
            self._file.seek(end)
            self._file.truncate()
            self._file.write(_TAIL)
            self._file.flush()
            os.fsync(self._file.fileno())
            self._file.close()
            with self._path.open("rb") as written:
                sha256 = hashlib.file_digest(written, "sha256").hexdigest()
            os.replace(self._path, self._journal.body(self._id))
            sync_folder(self._journal.folder)
        self._file = None
        shard = Shard(
            id=self._id,
            endpoint=self._endpoint,
            label=", ".join(self._labels),
            state=State.SEALED,
            n=n,
            bytes=end + len(_TAIL),
            sha256=sha256,
            expected_usd=sum(each.usd for each in kept),
            attempt=self._attempt,
        )
        self._journal.seal(
            shard, (Sealed(i, p.key, p.purpose, p.at, p.size) for i, p in enumerate(kept))
        )
        self._placed = []
        self._labels = {}
        for call in returned:
            self._place(call, self._entry(call.body))

    def _read(self, placed: _Placed) -> Call:
        assert self._file is not None
        self._file.seek(placed.at)
        body = self._file.read(placed.size)
        return Call(body, 0, placed.key, self._journal.purpose(placed.purpose))


def split(
    journal: Journal, shard: Shard, limits: Limits, price: Callable[[Purpose], float]
) -> None:
    """Seal the requests of a shard again, in two shards of half its size.

    After a crash, requests that are in a new shard already are skipped.
    """
    requests = journal.requests(shard.id).values()
    left = [each for each in requests if not journal.is_elsewhere(each.key, shard.id)]
    half = Limits((len(left) + 1) // 2, limits.max_bytes, limits.queue_requests)
    with Packer(journal, shard.endpoint, half, price, shard.attempt) as packer:
        for call in reread(journal, shard, left):
            packer.add(call)


def discard_unsent(journal: Journal, endpoint: str, now: float) -> None:
    """Discard sealed shards that the server certainly does not have; wanted calls are repacked."""
    for shard in journal.shards((State.SEALED, State.SPLITTING), endpoint):
        journal.move(shard, Event.DISCARDED, now)
        journal.body(shard.id).unlink(missing_ok=True)


def reread(journal: Journal, shard: Shard, requests: Iterable[Sealed]) -> Iterator[Call]:
    """Yield calls of a shard, read back from its sealed body."""
    with _translated(journal.folder), journal.body(shard.id).open("rb") as file:
        for request in requests:
            file.seek(request.at)
            body = file.read(request.size)
            yield Call(body, 0, request.key, journal.purpose(request.purpose))


def custom_id_of(nonce: str, shard: int, attempt: int, ordinal: int) -> str:
    """Return the custom id of a request: opaque, at most 64 characters, unique in the journal."""
    return f"{prefix_of(nonce, shard, attempt)}{_base36(ordinal)}"


def prefix_of(nonce: str, shard: int, attempt: int) -> str:
    """Return the common prefix of a shard's custom ids, which identifies its batch."""
    return f"{nonce}-{_base36(shard)}-{attempt}-"


def ordinal_of(custom_id: str, prefix: str) -> int | None:
    """Return the ordinal in a custom id, or None if the id is not of this shard."""
    tail = custom_id.removeprefix(prefix)
    if tail == custom_id or not tail or set(tail) - set(_DIGITS):
        return None
    return int(tail, 36)


def _base36(number: int) -> str:
    digits = ""
    while True:
        number, digit = divmod(number, 36)
        digits = _DIGITS[digit] + digits
        if not number:
            return digits


def sync_folder(folder: Path) -> None:
    """Make the entries of a folder durable."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


class _translated:
    """A context that raises an OSError as a StoreError."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, OSError):
            raise StoreError(
                f"a batch cannot be written: {error.strerror or error}",
                where=str(self._folder),
                hint="free some space or make it writable, and run the same command again",
            ) from error
