"""The wall clock of batches, which live for days while machines sleep, and the pace of polls."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Protocol

from msgspec import Struct

# Seconds between two looks for a reason to wake up.
_NAP = 2.0


class Clock(Protocol):
    """The wall clock, or one that a test turns."""

    def now(self) -> float:
        """Epoch seconds."""

    def sleep(self, seconds: float, woken: Callable[[], bool] = ...) -> None:
        """Wait, at most until `woken` returns True."""


class WallClock:
    """The machine's own."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def sleep(self, seconds: float, woken: Callable[[], bool] = lambda: False) -> None:
        """Wait, at most until `woken` returns True."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0 and not woken():
            time.sleep(min(left, _NAP))


class Pace(Struct, frozen=True):
    """Seconds between polls, at first and at most. `wait`: the run waits until all have ended."""

    first: float
    longest: float
    wait: bool
