"""Holds workers back while the server wants fewer requests, or is in trouble."""

from __future__ import annotations

import threading
import time

# Seconds between two words about waiting.
_QUIET = 10.0


class Leaving(Exception):
    """The run ends, and a request that only waited for its turn was not sent (again)."""


class Gate:
    """Shared by the workers of one provider."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._opens = 0.0
        self._leaving = threading.Event()
        self._why = ""
        self._told = -_QUIET

    def wait(self) -> None:
        """Until the gate is open. Raises Leaving when the run ends meanwhile."""
        while (left := self._opens - time.monotonic()) > 0:
            self._rest(left)

    def close(self, seconds: float, why: str, *, everybody: bool) -> None:
        """For so long; for this worker alone when it is the server that is in trouble."""
        self._why = f"waiting {seconds:,.0f} s before asking again: {why}"
        if not everybody:
            self._rest(seconds)
            return
        with self._lock:
            self._opens = max(self._opens, time.monotonic() + seconds)

    def why(self) -> str:
        """Why a worker waits, told once and not too often; empty when there is nothing to say."""
        now = time.monotonic()
        if not self._why or now < self._told + _QUIET:
            return ""
        self._told = now
        said, self._why = self._why, ""
        return said

    def open(self) -> None:
        """A new run begins."""
        self._leaving.clear()

    def leave(self) -> None:
        """Nobody waits any longer."""
        self._leaving.set()

    def _rest(self, seconds: float) -> None:
        if self._leaving.wait(seconds):
            raise Leaving
