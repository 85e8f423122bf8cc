"""A gate that holds workers back while the server limits the rate of requests or fails."""

from __future__ import annotations

import threading
import time

# Minimum seconds between two notices about waiting.
_QUIET = 10.0


class Leaving(Exception):
    """The end of a run, raised in a worker whose request waited and was not sent (again)."""


class Gate:
    """The gate that the workers of one provider share."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens = 0.0
        self._leaving = threading.Event()
        self._why = ""
        self._noticed = -_QUIET

    def wait(self) -> None:
        """Block until the gate is open. Raises Leaving if the run ends meanwhile."""
        while (left := self._opens - time.monotonic()) > 0:
            self._rest(left)

    def close(self, seconds: float, why: str, *, all_workers: bool) -> None:
        """Hold back all workers for some seconds, or only the calling one. Raises Leaving."""
        self._why = f"waiting {seconds:,.0f} s before the next attempt: {why}"
        if not all_workers:
            self._rest(seconds)
            return
        with self._lock:
            self._opens = max(self._opens, time.monotonic() + seconds)

    def why(self) -> str:
        """Return a notice about waiting, each once and rate-limited; empty if there is none."""
        now = time.monotonic()
        if not self._why or now < self._noticed + _QUIET:
            return ""
        self._noticed = now
        why, self._why = self._why, ""
        return why

    def open(self) -> None:
        """Begin a new run."""
        self._leaving.clear()

    def leave(self) -> None:
        """End the run: waiting workers raise Leaving."""
        self._leaving.set()

    def _rest(self, seconds: float) -> None:
        if self._leaving.wait(seconds):
            raise Leaving
