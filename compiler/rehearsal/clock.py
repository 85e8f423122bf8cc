"""Virtual time: a day can pass in a second, and a restart does not turn it back."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from email.utils import formatdate

DAY = 86_400.0


class Clock:
    """Real time from `real` on, scaled by `speed` and counted from `virtual`."""

    def __init__(self, virtual: float, real: float, speed: float) -> None:
        # One tuple: other threads read it while it is changed.
        self._base = (virtual, real, speed)

    @classmethod
    def start(cls, speed: float) -> Clock:
        """A clock that shows real time now."""
        now = time.time()
        return cls(now, now, speed)

    @property
    def base(self) -> tuple[float, float, float]:
        """All that is needed to make the same clock again."""
        return self._base

    @property
    def speed(self) -> float:
        """Virtual seconds per real second."""
        return self._base[2]

    def now(self) -> float:
        """Virtual seconds since the epoch."""
        virtual, real, speed = self._base
        return virtual + (time.time() - real) * speed

    def advance(self, seconds: float) -> None:
        """Jump; backwards too, as a clock that is corrected does."""
        self._base = (self.now() + seconds, time.time(), self.speed)

    def run_at(self, speed: float) -> None:
        """Go on from now at another speed."""
        self._base = (self.now(), time.time(), speed)

    def real_seconds_until(self, moment: float) -> float:
        """How long to sleep until a virtual moment, 0 when it is past."""
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

    def sleep(self, seconds: float) -> None:
        """Wait so many seconds of the rehearsal."""
        time.sleep(seconds / self._speed)


def iso(moment: float | None) -> str | None:
    """A moment as the API writes it."""
    if moment is None:
        return None
    return datetime.fromtimestamp(moment, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def http_date(moment: float) -> str:
    """A moment as a `Date` header."""
    return formatdate(moment, usegmt=True)
