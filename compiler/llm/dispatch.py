"""From wanted calls to replies in the log. Nothing that is in the log is ever asked again."""

from __future__ import annotations

from collections.abc import Callable

from compiler.errors import ProviderError
from compiler.llm.messages import Call, Outcome, Provider, Reply, Request, call, encode
from compiler.llm.responses import ResponseLog

_COMMIT_EVERY = 256
# A free provider answers at once, so what it is asked need not pile up in memory.
_FREE_PENDING = 2048

Progress = Callable[[int, int], None]
_FINAL = (Outcome.OK, Outcome.TRUNCATED, Outcome.REFUSED)


class Dispatcher:
    """Collects the calls of one role and settles them through its provider."""

    def __init__(self, provider: Provider, log: ResponseLog, progress: Progress) -> None:
        self.provider = provider
        self.log = log
        self._progress = progress
        self._pending: dict[str, Call] = {}
        self._done = 0
        self._wanted = 0
        self._uncommitted = 0
        self._failed: list[str] = []

    def want(self, request: Request, samples: range) -> list[str]:
        """Ask for some samples of a request unless the log has them; returns their keys."""
        body = encode(self.provider, request)
        keys = []
        for sample in samples:
            wanted = call(body, sample)
            keys.append(wanted.key)
            if wanted.key not in self._pending and wanted.key not in self.log:
                self._pending[wanted.key] = wanted
                self._wanted += 1
        if self.provider.free and len(self._pending) >= _FREE_PENDING:
            self._ask()
        return keys

    def keys(self, request: Request, samples: range) -> list[str]:
        """The keys of some samples of a request, asking nothing."""
        body = encode(self.provider, request)
        return [call(body, sample).key for sample in samples]

    def settle(self) -> None:
        """Bring every wanted reply into the log.

        Raises:
            ProviderError: some calls ended without a reply that can be kept.
        """
        self._ask()
        if self._failed:
            count, first = len(self._failed), self._failed[0]
            self._failed.clear()
            raise ProviderError(
                f"{count} call{'s' if count != 1 else ''} of {self.provider.name} failed: {first}",
                hint="run the same command again; what was answered is kept",
            )

    def reply(self, key: str) -> Reply:
        """The reply to a key that was settled."""
        found = self.log.get(key)
        if found is None:
            raise ProviderError(
                f"no reply to request {key[:12]} in the log", hint="run the same command again"
            )
        return found

    def _ask(self) -> None:
        calls = list(self._pending.values())
        self._pending.clear()
        if not calls:
            return
        try:
            self.provider.ask(calls, self._deliver)
        finally:
            self.log.commit()
            self._uncommitted = 0

    def _deliver(self, answered: Call, reply: Reply) -> None:
        if reply.outcome not in _FINAL:
            self._failed.append(reply.error or reply.outcome.value)
            return
        self.log.put(answered.key, reply)
        self._uncommitted += 1
        # What costs money is durable at once; what is free may be asked again after a crash.
        if not self.provider.free or self._uncommitted >= _COMMIT_EVERY:
            self.log.commit()
            self._uncommitted = 0
        self._done += 1
        self._progress(self._done, self._wanted)
