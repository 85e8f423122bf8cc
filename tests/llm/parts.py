"""Small test doubles of the parts that a provider is built from."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from pathlib import Path

from compiler.llm.batches.clock import Pace, WallClock
from compiler.llm.batches.journal import Journal, Shard
from compiler.llm.batches.shards import BatchSettings, Limits
from compiler.llm.messages import Call, Provider, Purpose, Reply, Request, call, encode
from compiler.llm.prices import Rate
from compiler.llm.providers import Settings
from compiler.llm.purse import Purse

_FOLDERS = tempfile.TemporaryDirectory()
PURPOSE = Purpose("test", "answerer", 0, "test", "m", Rate(1.0, 5.0), 0.001)


class Watcher:
    """A watcher that keeps notices if a list for them is given."""

    def __init__(self, notice: Callable[[str], None] = lambda _: None) -> None:
        self._notice = notice

    def batches(self, shards: list[Shard], purse: Purse, left: float | None) -> None:
        pass

    def notice(self, text: str) -> None:
        self._notice(text)


class Got:
    """A collector of delivered replies."""

    def __init__(self) -> None:
        self.replies: dict[str, Reply] = {}

    def __call__(self, key: str, purpose: Purpose, reply: Reply) -> None:
        self.replies[key] = reply

    @property
    def only(self) -> Reply:
        (reply,) = self.replies.values()
        return reply


def settings(
    url: str | None = None,
    concurrency: int = 4,
    wall: float = math.inf,
    folder: Path | None = None,
    notice: Callable[[str], None] = lambda _: None,
    patience: float = 600.0,
) -> Settings:
    """Return settings of a provider, by default with a journal of its own."""
    folder = folder or Path(tempfile.mkdtemp(dir=_FOLDERS.name))
    limits, pace = Limits(100_000, 250_000_000, 200_000), Pace(1.0, 10.0, wait=True)
    batches = BatchSettings(Journal(folder), limits, pace, WallClock(), Watcher(notice))
    return Settings(url, concurrency, patience, Purse(wall), batches)


def wanted(provider: Provider, request: Request, sample: int = 0) -> Call:
    """Return the call for a request."""
    return call(encode(provider, request), sample, PURPOSE)


def nothing() -> None:
    """Commit nothing."""
