"""The interface of a batch endpoint and its error responses, independent of providers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from compiler.errors import ProviderError
from compiler.llm.messages import Reply

# The states of requests that a server counts.
KINDS = ("processing", "succeeded", "errored", "canceled", "expired")


class Remote(Struct, frozen=True):
    """A batch as reported by the server. Times are epoch seconds, on this machine's clock.

    `status`: the server's term; only `ended` has consequences. `counts`: requests by state, which
    add up to the size of the batch; until it has ended, all may count as `processing`. A server may
    omit some counts.
    """

    id: str
    status: str
    created_at: float
    expires_at: float
    archived: bool
    counts: dict[str, int]

    @property
    def ended(self) -> bool:
        """Return whether results can be fetched."""
        return self.status == "ended"

    @property
    def size(self) -> int:
        """Return the number of requests, a lower bound if the server omits counts."""
        return sum(self.counts.values())

    def may_have(self, n: int) -> bool:
        """Return whether its counts are compatible with n requests."""
        whole = all(kind in self.counts for kind in KINDS)
        return self.size == n if whole else self.size <= n


class Line(Struct, frozen=True):
    """One result. `kind`: the server's term for it; `reply`: None if the result has none.

    `account`: the account, not the request, is at fault (credit, limits, permission).
    `transient`: a retry may succeed, and this attempt was not billed.
    """

    custom_id: str
    kind: str
    reply: Reply | None
    error_type: str
    error: str
    account: bool
    transient: bool


class Refused(Exception):
    """A batch that the server certainly did not accept.

    `wait`: seconds that the server asked to wait. `too_large`: the batch must be split first.
    """

    def __init__(self, reason: str, wait: float | None = None, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.too_large = too_large


class Oversized(ProviderError):
    """A request that alone in its batch is too large for the server. `key`: its request key."""

    def __init__(self, key: str, reason: str, size: int) -> None:
        super().__init__(reason)
        self.key = key
        self.size = size


class Uncertain(Exception):
    """A submission after which it is unknown whether the server accepted the batch."""


class NotThere(Exception):
    """A batch that the server does not know, or not yet."""


class Unreachable(Exception):
    """A query that got no usable response and can be repeated.

    `wait`: seconds that the server asked to wait.
    """

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class BatchApi(Protocol):
    """A batch endpoint. Only `create` can cost money; it sends one request and never retries.

    All methods raise `PausedError` when the account cannot be used (key, credit, spend limit).
    """

    @property
    def endpoint(self) -> str:
        """Return the server's address."""

    def create(self, body: Path, size: int) -> Remote:
        """Submit a sealed body of `size` bytes. Raises Refused or Uncertain."""

    def retrieve(self, batch_id: str) -> Remote:
        """Return the current state of a batch. Raises NotThere or Unreachable."""

    def list(self, since: float) -> Sequence[Remote]:
        """Return the batches created since a time, newest first. Raises Unreachable."""

    def download(self, batch_id: str, path: Path) -> None:
        """Write the raw results to a file, perhaps truncated. Raises NotThere or Unreachable."""

    def first_line(self, batch_id: str) -> bytes:
        """Return the first line of the results, possibly empty. Raises NotThere or Unreachable."""

    def cancel(self, batch_id: str) -> None:
        """Cancel a batch, a no-op if it has ended. Raises NotThere or Unreachable."""

    def parse(self, line: bytes) -> Line | None:
        """Parse one raw line; return None if it is not a JSON object with a custom id."""

    def peek(self, line: bytes) -> tuple[str, str] | None:
        """Return the custom id and kind of a line, as `parse` does, at lower cost."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """Yield the non-empty lines of a results file with byte offsets; only LF ends a line."""
    with path.open("rb") as file:
        at = 0
        for raw in file:
            stripped = raw.rstrip(b"\r\n")
            if stripped:
                yield at, stripped
            at += len(raw)
