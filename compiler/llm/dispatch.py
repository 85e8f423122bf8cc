"""Dispatch of calls to a provider and of its replies to the response log.

A call whose reply is in the log is never sent again.
"""

from __future__ import annotations

import contextlib
import struct
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import BinaryIO

from msgspec import Struct
from msgspec.structs import replace

from compiler.errors import ProviderError, StoreError
from compiler.llm.messages import BILLED, Call, Provider, Purpose, Reply, Request, call, encode
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog

_COMMIT_EVERY = 256
# A free provider answers immediately, so its calls are sent in blocks of this size.
_FREE_PENDING = 2048
# Up to max(_FEW, _SHARE of the calls) failures of a pass are logged as outcomes; more of them point
# to a systematic error and stop the build.
_FEW = 3
_SHARE = 0.01

# The header of a spooled call: key, sample, index of the purpose, bytes of the body and the place.
_HEAD = struct.Struct("<32sIIII")

# Called with the replies so far, the calls of the pass, and the round of the latest reply.
Progress = Callable[[int, int, int], None]


class Priced(Struct):
    """Calls of one scope by state: missing (`calls`), in the log and in open batches.

    `bytes` and `system` are totals over the missing calls: bytes of their bodies and characters of
    their system texts.
    """

    calls: int = 0
    cached: int = 0
    in_flight: int = 0
    bytes: int = 0
    system: int = 0


class Dispatcher:
    """The calls of one role, queued on disk and sent through its provider.

    `purpose`: the purpose of a call in round 0; other rounds are filled in. `elsewhere`: returns
    the endpoint that has a key in an open batch, or None. `turn`: held while calls are sent, so
    that processes that share the log send one after the other.
    """

    def __init__(
        self,
        provider: Provider,
        log: ResponseLog,
        purse: Purse,
        purpose: Purpose,
        progress: Progress,
        elsewhere: Callable[[str], str | None] = lambda _: None,
        turn: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self._turn = turn
        # The version of the log when the first call of a pass was looked up.
        self._version: int | None = None
        self.provider = provider
        self.log = log
        self.priced: dict[str, Priced] = defaultdict(Priced)
        self._purse = purse
        self._purpose = purpose
        self._rounds: dict[int, Purpose] = {}
        self._elsewhere = elsewhere
        # Called by `price` with each key that is in the log, and its place.
        self.on_cached: Callable[[str, str], None] | None = None
        # If set, `price` only calls it, with every key and its place, and counts nothing.
        self.on_asked: Callable[[str, str], None] | None = None
        self._progress = progress
        self._spool = Spool(log.path.parent)
        self._done = 0
        self._wanted = 0
        self._total = 0
        self._seen = self._had = 0
        self._uncommitted = 0
        self._failed: list[tuple[str, Purpose, Reply]] = []

    def want(self, request: Request, samples: range, round_index: int, place: str) -> None:
        """Queue the samples of a request that the log does not have.

        `place`: the document or row that the request is about, for error messages.

        Raises:
            ProviderError: the body is larger than the provider accepts.
        """
        self._seen += len(samples)
        if self._version is None:
            self._version = self.log.version()
        for wanted in self._missing(request, samples, round_index, place):
            if self._spool.add(wanted):
                self._wanted += 1
        if self.provider.free and len(self._spool) >= _FREE_PENDING:
            self._ask()

    def price(self, request: Request, samples: range, place: str, scope: str) -> None:
        """Count the samples of a request under `priced[scope]` by their state; send nothing.

        Raises:
            ProviderError: the body is larger than the provider accepts.
        """
        if self.on_asked is not None:
            for key in self.keys(request, samples):
                self.on_asked(key, place)
            return
        priced = self.priced[scope]
        priced.cached += len(samples)
        for wanted in self._missing(request, samples, 0, place):
            if not self._spool.know(wanted.key):
                continue
            priced.cached -= 1
            if self._elsewhere(wanted.key) is not None:
                priced.in_flight += 1
            else:
                priced.calls += 1
                priced.bytes += len(wanted.body)
                priced.system += len(request.system)
        if self.on_cached is not None:
            for key in self.keys(request, samples):
                if key in self.log:
                    self.on_cached(key, place)

    def _missing(
        self, request: Request, samples: range, round_index: int, place: str
    ) -> Iterator[Call]:
        body = encode(self.provider, request)
        if len(body) > self.provider.max_bytes:
            raise ProviderError(
                f"its {self._purpose.role} request has {len(body):,} bytes; {self.provider.name} "
                f"accepts at most {self.provider.max_bytes:,}",
                where=place,
                hint="shorten the prompt, show fewer siblings, or leave the document out",
            )
        if round_index not in self._rounds:
            self._rounds[round_index] = replace(self._purpose, round=round_index)
        purpose = self._rounds[round_index]
        for sample in samples:
            wanted = call(body, sample, purpose, place)
            if wanted.key not in self.log:
                yield wanted

    def keys(self, request: Request, samples: range) -> list[str]:
        """Return the keys of some samples of a request; send nothing."""
        body = encode(self.provider, request)
        return [call(body, sample, self._purpose).key for sample in samples]

    def settle(self) -> None:
        """Send all queued calls and bring their replies into the log.

        Raises:
            ProviderError: too many calls ended without a reply.
        """
        queued, self._wanted, self._done = self._wanted, 0, 0
        # Counted per pass: a role has several, and the share of failures is judged in each.
        seen, self._seen = self._seen, 0
        self._total, self._had = queued, max(0, seen - queued)
        if queued:
            self.log.forget_failures(self._purpose)
        try:
            self._ask()
        except StoreError:
            # The log cannot be written, so failures cannot be kept either.
            self._failed.clear()
            raise
        except BaseException:
            # The provider may not report these failures a second time.
            self._keep_failures(seen)
            raise
        failed, self._had = self._keep_failures(seen), 0
        if failed:
            errors = Counter(_error(reply) for _, _, reply in failed)
            text, count = errors.most_common(1)[0]
            often = f", {count:,} of them with" if count < len(failed) else ""
            raise ProviderError(
                f"{len(failed):,} of {queued:,} call{'s' if queued != 1 else ''} of "
                f"{self.provider.name} failed{often}: {text}",
                hint="run the same command again; the replies received are kept",
            )

    def _keep_failures(self, seen: int) -> list[tuple[str, Purpose, Reply]]:
        """Log the failed calls of a pass if they are few; otherwise return them unlogged.

        `seen`: number of calls of the pass, including those that were in the log already.
        """
        failed = self._failed
        self._failed = []
        many = len(failed) > max(_FEW, _SHARE * seen)
        for key, purpose, reply in failed:
            self.log.fail(key, purpose, _error(reply), kept=not many)
            if not many:
                self.log.put(key, reply)
        self.log.commit()
        return failed if many else []

    def close(self) -> None:
        """Drop the queued calls that were not settled."""
        self._spool.clear()

    def reply(self, key: str) -> Reply:
        """Return the reply to a key that was settled.

        Raises:
            ProviderError: the log has none.
        """
        found = self.log.get(key)
        if found is None:
            raise ProviderError(
                f"no reply to request {key[:12]} in the log", hint="run the same command again"
            )
        return found

    def _ask(self) -> None:
        try:
            if len(self._spool) or self.provider.unsettled():
                with self._turn():
                    if self.log.version() != self._version:
                        # Another process has written since, maybe replies that are queued here.
                        self._spool.answered = self.log.__contains__
                    self.provider.ask(self._spool, self._deliver, self._commit)
            self._commit()
        except (KeyboardInterrupt, StoreError):
            # The error may fall between a reply and its cost. Providers commit each reply that they
            # cannot deliver again; the others are delivered by the next run.
            with contextlib.suppress(StoreError):  # the first error is raised
                self.log.rollback()
            raise
        except BaseException:
            self._commit()
            raise
        finally:
            self._spool.clear()
            self._version = None

    def _commit(self) -> None:
        self.log.commit()
        self._uncommitted = 0

    def _deliver(self, key: str, purpose: Purpose, reply: Reply) -> None:
        if reply.outcome not in BILLED:
            self._failed.append((key, purpose, reply))
            return
        # Free replies are not in the ledger.
        if self.log.put(key, reply, None if self.provider.free else purpose):
            self._purse.paid(purpose, reply)
        self._uncommitted += 1
        # Free replies can be computed again after a crash, so they are committed in groups.
        if self.provider.free and self._uncommitted >= _COMMIT_EVERY:
            self._commit()
        self._done += 1
        # Replies that were in the log count as done.
        whole = max(self._total, self._wanted, self._done) + self._had
        self._progress(self._done + self._had, whole, purpose.round)


def _error(reply: Reply) -> str:
    return reply.error or reply.outcome.value


class Spool:
    """A queue of calls, one per key, in a temporary file that vanishes with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[bytes] = set()
        self._file: BinaryIO | None = None
        self._count = 0
        self._purposes: list[Purpose] = []
        # Tests if a key was answered after it was queued; None if no key was.
        self.answered: Callable[[str], bool] | None = None

    def __len__(self) -> int:
        return self._count

    def know(self, key: str) -> bool:
        """Record a key; return False if it was recorded before."""
        # 128 of the 256 bits keep a billion keys distinct, at half the memory.
        short = bytes.fromhex(key[:32])
        if short in self._known:
            return False
        self._known.add(short)
        return True

    def add(self, wanted: Call) -> bool:
        """Append a call; return False if its key is already queued."""
        if not self.know(wanted.key):
            return False
        with self._translated("nothing of this pass was sent"):
            self._write(wanted)
        self._count += 1
        return True

    def _write(self, wanted: Call) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by clear
        if not self._purposes or wanted.purpose is not self._purposes[-1]:
            # Compared by identity: storing a few equal copies is cheaper than comparing every call.
            self._purposes.append(wanted.purpose)
        place = len(self._purposes) - 1
        about = wanted.place.encode()
        sizes = len(wanted.body), len(about)
        head = _HEAD.pack(bytes.fromhex(wanted.key), wanted.sample, place, *sizes)
        self._file.write(head + wanted.body + about)

    def __iter__(self) -> Iterator[Call]:
        if self._file is None:
            return
        with self._translated("the replies received are kept"):
            # Flushes the write buffer.
            self._file.seek(0)
        while head := self._file.read(_HEAD.size):
            key, sample, purpose, size, about = _HEAD.unpack(head)
            body, place = self._file.read(size), self._file.read(about).decode()
            if self.answered is None or not self.answered(key.hex()):
                yield Call(body, sample, key.hex(), self._purposes[purpose], place)

    @contextmanager
    def _translated(self, kept: str) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise StoreError(
                f"requests cannot be written or read back: {error.strerror or error}",
                where=str(self._folder),
                hint=f"free some space or make it writable, and run the same command again; {kept}",
            ) from error

    def clear(self) -> None:
        """Drop all queued calls and recorded keys."""
        self._known.clear()
        self._purposes.clear()
        self._count = 0
        self.answered = None
        if self._file is not None:
            # The buffer is dropped with the queue, so a full disk does not matter.
            with contextlib.suppress(OSError):
                self._file.close()
            self._file = None
