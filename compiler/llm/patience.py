"""Notices about responses that are slow: what is waited for, since when and for how long."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

# Seconds of waiting before the first notice about a response; each next one comes after twice that.
_FIRST = 15.0
_MOST = 300.0


class Schedule:
    """The times of notices about one wait: after `first` seconds, then less and less often."""

    def __init__(self, first: float = _FIRST) -> None:
        self._first = first
        self.restart()

    def restart(self) -> None:
        """Begin a new wait."""
        self._next = time.monotonic() + self._first
        self._pause = max(self._first, _FIRST)

    def due(self) -> bool:
        """Return whether a notice is due now; it then counts as given."""
        if time.monotonic() < self._next:
            return False
        self._next = time.monotonic() + self._pause
        self._pause = min(_MOST, 2 * self._pause)
        return True


def since(began: float) -> str:
    """Format a wait that began at this epoch second: the local time and the seconds since."""
    clock = time.strftime("%H:%M:%S", time.localtime(began))
    return f"since {clock} ({time.time() - began:,.0f} s)"


@contextmanager
def watched(what: str, notice: Callable[[str], None] | None) -> Iterator[None]:
    """Give notices from a thread of their own while the block waits for `what`."""
    if notice is None:
        yield
        return
    done = threading.Event()
    began, schedule = time.time(), Schedule()

    def watch() -> None:
        while not done.wait(1.0):
            if schedule.due():
                notice(f"waiting for {what} {since(began)}")

    thread = threading.Thread(target=watch, daemon=True)
    thread.start()
    try:
        yield
    finally:
        done.set()
        thread.join()
