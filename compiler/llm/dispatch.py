"""From wanted calls to replies in the log. Nothing that is in the log is ever asked again."""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import msgspec

from compiler.errors import ProviderError, StoreError
from compiler.llm.messages import Call, Outcome, Provider, Purpose, Reply, Request, call, encode
from compiler.llm.purse import Purse
from compiler.llm.responses import ResponseLog

_COMMIT_EVERY = 256
# A free provider answers at once, so what it is asked need not pile up.
_FREE_PENDING = 2048
_BILLED = (Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED)
# So many calls may end without a reply and be kept as such; more of them are no accident.
_FEW = 3
_SHARE = 0.01

Progress = Callable[[int, int], None]


@dataclass
class Priced:
    """What replies amount to: missing calls, those in the log, bytes of bodies and system texts."""

    calls: int = 0
    cached: int = 0
    bytes: int = 0
    system: int = 0


class Dispatcher:
    """Collects the calls of one role and settles them through its provider.

    `purpose`: of a call in round 0; its round is filled in. Bodies wait on disk, not in memory.
    """

    def __init__(
        self,
        provider: Provider,
        log: ResponseLog,
        purse: Purse,
        purpose: Purpose,
        progress: Progress,
    ) -> None:
        self.provider = provider
        self.log = log
        self.priced: dict[str, Priced] = defaultdict(Priced)
        self._purse = purse
        self._purpose = purpose
        # Is told of every key that is in the log while prices are counted, with its place.
        self.on_cached: Callable[[str, str], None] | None = None
        # When set, is told of every key and its place instead, and nothing is counted.
        self.on_asked: Callable[[str, str], None] | None = None
        self._progress = progress
        self._spool = Spool(log.path.parent)
        self._done = 0
        self._wanted = 0
        self._total = 0
        self._seen = 0
        self._uncommitted = 0
        self._failed: list[tuple[str, Purpose, Reply]] = []

    def want(self, request: Request, samples: range, round_index: int, place: str) -> None:
        """Ask for some samples of a request unless the log has them. `place`: what it is about."""
        self._seen += len(samples)
        for wanted in self._missing(request, samples, round_index, place):
            if self._spool.add(wanted):
                self._wanted += 1
        if self.provider.free and len(self._spool) >= _FREE_PENDING:
            self._ask()

    def price(self, request: Request, samples: range, place: str, scope: str) -> None:
        """Count what asking would take under `priced[scope]`, asking nothing."""
        if self.on_asked is not None:
            for key in self.keys(request, samples):
                self.on_asked(key, place)
            return
        priced = self.priced[scope]
        priced.cached += len(samples)
        for wanted in self._missing(request, samples, 0, place):
            if self._spool.know(wanted.key):
                priced.cached -= 1
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
                f"its {self._purpose.role} request has {len(body):,} bytes, {self.provider.name} "
                f"takes at most {self.provider.max_bytes:,}",
                where=place,
                hint="shorten the prompt, show fewer siblings, or leave the document out",
            )
        purpose = replace(self._purpose, round=round_index)
        for sample in samples:
            wanted = call(body, sample, purpose)
            if wanted.key not in self.log:
                yield wanted

    def keys(self, request: Request, samples: range) -> list[str]:
        """The keys of some samples of a request, asking nothing."""
        body = encode(self.provider, request)
        return [call(body, sample, self._purpose).key for sample in samples]

    def settle(self) -> None:
        """Bring every wanted reply into the log.

        Raises:
            ProviderError: too many calls ended without a reply.
        """
        asked, self._wanted, self._done = self._wanted, 0, 0
        self._total = asked
        try:
            self._ask()
        finally:
            # Also when the run ends here: a failure that was told once may not be told again.
            failed, self._failed = self._failed, []
            few = len(failed) <= max(_FEW, _SHARE * self._seen)
            for key, _, reply in failed if few else ():
                self.log.put(key, reply)
            self.log.commit()
        if not few:
            reply = failed[0][2]
            raise ProviderError(
                f"{len(failed):,} of {asked:,} call{'s' if asked != 1 else ''} of "
                f"{self.provider.name} failed: {reply.error or reply.outcome.value}",
                hint="run the same command again; what was answered is kept",
            )

    def close(self) -> None:
        """Forget what is wanted and not settled."""
        self._spool.clear()

    def reply(self, key: str) -> Reply:
        """The reply to a key that was settled."""
        found = self.log.get(key)
        if found is None:
            raise ProviderError(
                f"no reply to request {key[:12]} in the log", hint="run the same command again"
            )
        return found

    def _ask(self) -> None:
        try:
            if len(self._spool) or self.provider.unsettled():
                self.provider.ask(self._spool, self._deliver, self._commit)
        finally:
            self._spool.clear()
            self._commit()

    def _commit(self) -> None:
        self.log.commit()
        self._uncommitted = 0

    def _deliver(self, key: str, purpose: Purpose, reply: Reply) -> None:
        if reply.outcome not in _BILLED:
            self._failed.append((key, purpose, reply))
            return
        # What is free needs no ledger.
        if self.log.put(key, reply, None if self.provider.free else purpose):
            self._purse.paid(purpose, reply)
        self._uncommitted += 1
        # What is free may be asked again after a crash, so it need not be durable at once.
        if self.provider.free and self._uncommitted >= _COMMIT_EVERY:
            self._commit()
        self._done += 1
        self._progress(self._done, max(self._total, self._wanted, self._done))


class Spool:
    """Calls on their way, once per key, in a file that vanishes with the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._known: set[bytes] = set()
        self._file: BinaryIO | None = None
        self._count = 0
        self._purposes: list[Purpose] = []

    def __len__(self) -> int:
        return self._count

    def know(self, key: str) -> bool:
        """Take note of a key; False if it was known."""
        # Half a digest tells a billion keys apart at half the memory.
        short = bytes.fromhex(key[:32])
        if short in self._known:
            return False
        self._known.add(short)
        return True

    def add(self, wanted: Call) -> bool:
        """Append a call; False if its key is there already."""
        if not self.know(wanted.key):
            return False
        try:
            self._write(wanted)
        except OSError as error:
            raise StoreError(
                f"requests cannot be written: {error.strerror or error}",
                where=str(self._folder),
                hint="free some space or make it writable, and run the same command again; "
                "nothing of this pass was sent",
            ) from error
        self._count += 1
        return True

    def _write(self, wanted: Call) -> None:
        if self._file is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._file = tempfile.TemporaryFile(dir=self._folder)  # noqa: SIM115 - closed by clear
        if wanted.purpose not in self._purposes:
            self._purposes.append(wanted.purpose)
        head = (wanted.key, wanted.sample, self._purposes.index(wanted.purpose), len(wanted.body))
        self._file.write(msgspec.json.encode(head) + b"\n")
        self._file.write(wanted.body)

    def __iter__(self) -> Iterator[Call]:
        if self._file is None:
            return
        self._file.seek(0)
        while head := self._file.readline():
            key, sample, purpose, size = msgspec.json.decode(head, type=tuple[str, int, int, int])
            yield Call(self._file.read(size), sample, key, self._purposes[purpose])

    def clear(self) -> None:
        """Forget everything."""
        self._known.clear()
        self._purposes.clear()
        self._count = 0
        if self._file is not None:
            self._file.close()
            self._file = None
