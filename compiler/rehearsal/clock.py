"""Virtual time, which may run faster than real time and continues after a restart."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import formatdate

DAY = 86_400.0


class Clock:
    """A clock that shows `virtual` at the real time `real`, and runs `speed` times as fast.

    Times are seconds since the epoch.
    """

    def __init__(self, virtual: float, real: float, speed: float) -> None:
        # A tuple, so that other threads never read a mixture of two settings.
        self._base = (virtual, real, speed)

    @classmethod
    def start(cls, speed: float) -> Clock:
        """Create a clock that shows real time now."""
        now = time.time()
        return cls(now, now, speed)

    @property
    def base(self) -> tuple[float, float, float]:
        """The arguments that create the same clock."""
        return self._base

    @property
    def speed(self) -> float:
        """Virtual seconds per real second."""
        return self._base[2]

    def now(self) -> float:
        """Return virtual seconds since the epoch."""
        virtual, real, speed = self._base
        return virtual + (time.time() - real) * speed

    def advance(self, seconds: float) -> None:
        """Move the clock by virtual seconds, which may be negative."""
        self._base = (self.now() + seconds, time.time(), self.speed)

    def run_at(self, speed: float) -> None:
        """Continue from the current time at another speed."""
        self._base = (self.now(), time.time(), speed)

    def real_seconds_until(self, moment: float) -> float:
        """Return the real seconds until a virtual time, 0 if it has passed."""
        left = moment - self.now()
        if left <= 0:
            return 0.0
        return left / self.speed if self.speed > 0 else float("inf")


class SpedClock:
    """A clock of a client that runs as fast as the server's."""

    def __init__(self, start: float, speed: float) -> None:
        self._start = start
        self._speed = speed
        self._begun = time.monotonic()

    def now(self) -> float:
        """Epoch seconds of the rehearsal."""
        return self._start + (time.monotonic() - self._begun) * self._speed

    def sleep(self, seconds: float, woken: Callable[[], bool] = lambda: False) -> None:
        """Wait so many seconds of the rehearsal, unless `woken` returns True."""
        if not woken():
            time.sleep(seconds / self._speed)


def iso(moment: float | None) -> str | None:
    """Format a time as in the API's JSON, None as None."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(moment: float) -> str:
    """Format a time as a `Date` header."""
    return formatdate(moment, usegmt=True)
