"""What a batch endpoint must offer, and how it says no. No provider's types travel upward."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from compiler.llm.messages import Reply

KINDS = ("processing", "succeeded", "errored", "canceled", "expired")


@dataclass(frozen=True, slots=True)
class Remote:
    """A batch as the server tells of it. Times are epoch seconds of the server's clock.

    `status` is the server's word, `ended` the only one that matters. `counts`: requests by state;
    their sum is the size of the batch, the rest may stay 0 until it has ended. A server may leave
    some out.
    """

    id: str
    status: str
    created_at: float
    expires_at: float
    archived: bool
    counts: dict[str, int]

    @property
    def ended(self) -> bool:
        """Whether results can be fetched."""
        return self.status == "ended"

    @property
    def size(self) -> int:
        """How many requests it has; of these, where the server leaves counts out, at least."""
        return sum(self.counts.values())

    def may_have(self, n: int) -> bool:
        """Whether it may be a batch of n requests, as far as its counts tell."""
        whole = all(kind in self.counts for kind in KINDS)
        return self.size == n if whole else self.size <= n


@dataclass(frozen=True, slots=True)
class Line:
    """One result. `kind` is the server's word for it; `reply` is None where it brought none.

    `account`: the account, not the request, is at fault (credit, limits, permission).
    `transient`: asking again may help, and this one was not billed.
    """

    custom_id: str
    kind: str
    reply: Reply | None
    error_type: str
    error: str
    account: bool
    transient: bool


class Refused(Exception):
    """The server certainly did not take it. `too_large`: it must be split first."""

    def __init__(self, reason: str, wait: float | None = None, *, too_large: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.wait = wait
        self.too_large = too_large


class Uncertain(Exception):
    """Nobody knows whether the server took it."""


class NotThere(Exception):
    """The server does not know it, or not yet."""


class Unreachable(Exception):
    """The server gave no usable answer to a question that can be asked again."""

    def __init__(self, reason: str, wait: float | None = None) -> None:
        super().__init__(reason)
        self.wait = wait


class BatchApi(Protocol):
    """One endpoint. Only `create` can cost money; it is sent once and never retried in here.

    All methods raise `PausedError` when the account cannot go on (key, credit, spend limit).
    """

    @property
    def endpoint(self) -> str:
        """The server's address."""

    def create(self, body: Path, size: int) -> Remote:
        """Send a sealed body. Raises Refused or Uncertain."""

    def retrieve(self, batch_id: str) -> Remote:
        """How it stands. Raises NotThere or Unreachable."""

    def list(self, since: float) -> Sequence[Remote]:
        """The batches created since then, newest first. Raises Unreachable."""

    def download(self, batch_id: str, path: Path) -> None:
        """Write the raw results to a file. Raises NotThere or Unreachable; the file may be cut."""

    def first_line(self, batch_id: str) -> bytes:
        """The first line of the results, possibly empty. Raises NotThere or Unreachable."""

    def cancel(self, batch_id: str) -> None:
        """Ask for an end; one that ended already is no error. Raises NotThere or Unreachable."""

    def parse(self, line: bytes) -> Line | None:
        """One raw line, or None when it is no JSON object with a custom id."""

    def peek(self, line: bytes) -> tuple[str, str] | None:
        """The custom id and kind of what `parse` would find, for less work."""


def lines(path: Path) -> Iterator[tuple[int, bytes]]:
    """The non-empty lines of a results file with their offsets; only LF ends a line."""
    with path.open("rb") as file:
        at = 0
        for raw in file:
            stripped = raw.rstrip(b"\r\n")
            if stripped:
                yield at, stripped
            at += len(raw)
