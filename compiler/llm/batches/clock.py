"""The wall clock of batches: they live for days, and machines sleep."""

from __future__ import annotations

import time
from typing import Protocol


class Clock(Protocol):
    """The wall clock, or one that a test turns."""

    def now(self) -> float:
        """Epoch seconds."""

    def sleep(self, seconds: float) -> None:
        """Wait."""


class WallClock:
    """The machine's own."""

    def now(self) -> float:
        """Epoch seconds."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)
