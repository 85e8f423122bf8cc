"""Injected faults: an ordered list of rules, each for one kind of call and a number of calls.

Of the rules that match a call, the first that is neither used up nor skipping applies, alone. The
rules for single requests of a batch all apply, each to the positions that it names; the first one
that names a position decides it. The remaining counts of the rules survive a restart.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, UnsetType

from compiler.rehearsal.store import Store

At = Literal[
    "create",
    "retrieve",
    "list",
    "results",
    "cancel",
    "delete",
    "messages",
    "count_tokens",
    "models",
    "request",
]
Transform = Literal[
    "shuffle",
    "duplicate",
    "conflict",
    "blank_tail",
    "crlf",
    "foreign_line",
    "drop_line",
    "drop_canceled",
    "long_line",
    "u2028",
]


class Foreign(msgspec.Struct, forbid_unknown_fields=True):
    """Another customer's batch, created just before ours.

    `n`: number of requests, None for as many as ours has.
    """

    n: int | None = None
    like: Literal["same_count"] = "same_count"


class Truncate(msgspec.Struct, forbid_unknown_fields=True):
    """The truncation of results: after `lines` or `bytes`.

    `mode`: how the response is framed, `length` with a wrong one, `chunked` without the last chunk.
    """

    lines: int | None = None
    bytes: int | None = None
    mode: Literal["close", "length", "chunked"] = "close"


class Failure(msgspec.Struct, forbid_unknown_fields=True):
    """The error of one request of a batch."""

    type: str
    message: str = "injected"


class Actions(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """The actions of a rule: those for any call, then those for one kind; see docs/rehearsal.md.

    Durations (`delay`, `hang`) are real seconds; `hide` and `slow` are virtual seconds.
    """

    delay: float = 0.0
    drop: Literal["before_read", "after_commit"] | None = None
    hang: float | None = None
    then: Literal["drop", "answer"] = "drop"
    status: int | None = None
    commit: bool = False
    json: dict[str, object] | None = None
    html: str | None = None
    headers: dict[str, str] = {}
    hide: float = 0.0
    slow: float | None | UnsetType = UNSET
    foreign: Foreign | None = None
    fields: dict[str, object] = {}
    ignore_after_id: bool = False
    empty_has_more: bool = False
    truncate: Truncate | None = None
    transform: list[Transform] = []
    errored: Failure | None = None
    flat: bool = False
    expired: bool = False
    canceled: bool = False
    unknown: str | None = None
    stop_reason: str | None = None
    text: str | None = None


class Rule(msgspec.Struct, forbid_unknown_fields=True, omit_defaults=True):
    """One rule.

    `skip`: matching calls to pass first; `times`: calls to apply to then, -1 for all. Both count
    down. `batch`: only the batch with this index among the client's, from 0. `index`, `share`: the
    positions, or the share of positions, within a batch.
    """

    at: At
    do: Actions
    times: int = 1
    skip: int = 0
    batch: int | None = None
    index: list[int] | None = None
    share: float | None = None

    def names(self, batch: int, position: int) -> bool:
        """Return True if the rule names this position of this batch."""
        if self.index is not None and position not in self.index:
            return False
        if self.share is None:
            return True
        drawn = hashlib.sha256(f"{batch}/{position}".encode()).digest()
        return int.from_bytes(drawn[:8]) < self.share * 2**64

    def matches(self, at: str, batch: int | None) -> bool:
        """Return True if the rule is for this kind of call and this batch."""
        return self.at == at and (self.batch is None or self.batch == batch)

    def count_down(self) -> None:
        """Count one call."""
        if self.skip:
            self.skip -= 1
        elif self.times > 0:
            self.times -= 1


NOTHING = Actions()


class Faults:
    """The active rules, shared by the server and its processor. `stored`: read from the state."""

    def __init__(self, store: Store) -> None:
        kept = store.get("faults")
        self.stored = kept is not None
        self._rules = decode(kept.encode()) if kept is not None else []
        # Always acquired before a transaction, so that there is no deadlock.
        self.lock = threading.Lock()

    def rules(self) -> list[Rule]:
        """Return the rules with their remaining counts, in order."""
        return list(self._rules)

    def replace(self, store: Store, rules: Sequence[Rule]) -> None:
        """Replace the rules."""
        with self.lock:
            self._rules = list(rules)
            self._keep(store)

    def take(self, store: Store, at: str, batch: int | None) -> Actions:
        """Find the actions for an incoming call, and count it."""
        with self.lock:
            for rule in self._rules:
                if not rule.times or not rule.matches(at, batch):
                    continue
                skipped = rule.skip > 0
                rule.count_down()
                self._keep(store)
                if not skipped:
                    return rule.do
        return NOTHING

    def on_requests(self, batch: int | None) -> list[Rule]:
        """Return the rules for the requests of a batch that are not used up."""
        return [rule for rule in self._rules if rule.times and rule.matches("request", batch)]

    def used(self, store: Store, rules: Sequence[Rule]) -> None:
        """Count one batch for each of these rules; the caller holds the lock."""
        for rule in rules:
            rule.count_down()
        self._keep(store)

    def _keep(self, store: Store) -> None:
        store.put("faults", msgspec.json.encode(self._rules).decode())


def decode(data: bytes) -> list[Rule]:
    """Read rules from JSON.

    Raises:
        msgspec.DecodeError: the data are not a list of rules.
    """
    return msgspec.json.decode(data, type=list[Rule])
