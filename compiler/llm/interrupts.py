"""Ctrl-C while paid requests are in flight: counted instead of raised."""

from __future__ import annotations

import signal
import threading
from types import FrameType


class Interrupts:
    """A `with` block that counts Ctrl-C, so that no reply is lost on its way to the log.

    The code in the block checks `count` where it is safe to stop. If the block ends without an
    error although Ctrl-C was counted, KeyboardInterrupt is raised at its end.
    """

    def __init__(self) -> None:
        self.count = 0
        self._held = False

    def __enter__(self) -> Interrupts:
        # Only the main thread receives signals. A process that ignores SIGINT, as under nohup,
        # keeps ignoring it.
        main = threading.current_thread() is threading.main_thread()
        self._held = main and signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if self._held:
            signal.signal(signal.SIGINT, self._on_signal)
        return self

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if self._held:
            signal.signal(signal.SIGINT, signal.default_int_handler)
        if self.count and error is None:
            raise KeyboardInterrupt

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        self.count += 1
