"""Ctrl-C while something that is paid for is on its way: counted, not raised."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupts:
    """Counts Ctrl-C in a `with` block, so that no reply is dropped on its way to the log.

    Who is in the block looks at `count` where it is safe to stop. A Ctrl-C that nobody looked at is
    raised when the block ends without an error.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = False

    def __enter__(self) -> Interrupts:
        # Only the main thread hears of signals; who ignores them, as under nohup, goes on so.
        main = threading.current_thread() is threading.main_thread()
        self._held = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._held:
            signal.signal(signal.SIGINT, self._hear)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._held:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.count and error is None:
            raise KeyboardInterrupt

    def _hear(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
