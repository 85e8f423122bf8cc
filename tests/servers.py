"""Rehearsal servers as forks of one process that has loaded the compiler.

Starting an interpreter takes most of the time of a test with a server of its own. Tests of the
server itself start it as users do.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import TextIO

import pytest

from compiler.rehearsal import process
from compiler.rehearsal.__main__ import main
from tests.forks import redirect

_ROOT = Path(__file__).parent.parent


class Forks:
    """The process that is forked, started with the first server."""

    def __init__(self) -> None:
        self._parent: subprocess.Popen[str] | None = None

    def fork(self, *words: str) -> int:
        """Fork a server: its standard output, its log, its arguments; returns its process id."""
        if self._parent is None:
            self._parent = subprocess.Popen(
                [sys.executable, "-m", "tests.servers"],
                cwd=_ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
        assert self._parent.stdin is not None
        assert self._parent.stdout is not None
        self._parent.stdin.write(json.dumps(words) + "\n")
        self._parent.stdin.flush()
        return int(self._parent.stdout.readline())

    def close(self) -> None:
        """End the process."""
        if self._parent is not None:
            self._parent.communicate()


@contextmanager
def forked(forks: Forks) -> Iterator[None]:
    """Fork the rehearsal servers that start within the block."""

    def popen(command: Sequence[str], *, stderr: TextIO, **_: object) -> _Server:
        return _Server(forks, command[3:], stderr.name)

    names = ("PIPE", "DEVNULL", "TimeoutExpired")
    instead = SimpleNamespace(Popen=popen, **{each: getattr(subprocess, each) for each in names})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "subprocess", instead)
        yield


class _Server:
    """A forked server, with the methods of a process that `Rehearsal` calls."""

    def __init__(self, forks: Forks, arguments: Sequence[str], log: str) -> None:
        with tempfile.TemporaryDirectory() as folder:
            pipe = f"{folder}/stdout"
            os.mkfifo(pipe)
            self.pid = forks.fork(pipe, log, *arguments)
            self.stdout = open(pipe, encoding="utf-8")  # noqa: SIM115 - closed by its user

    def terminate(self) -> None:
        """Send SIGTERM."""
        self._send(signal.SIGTERM)

    def kill(self) -> None:
        """Send SIGKILL."""
        self._send(signal.SIGKILL)

    def wait(self, timeout: float = 60.0) -> None:
        """Wait until the server has ended."""
        end = time.monotonic() + timeout
        while self._send(0):
            if time.monotonic() > end:
                raise subprocess.TimeoutExpired("a rehearsal server", timeout)
            time.sleep(0.002)

    def _send(self, number: int) -> bool:
        """Send a signal; return False if the process has ended."""
        try:
            os.kill(self.pid, number)
        except ProcessLookupError:
            return False
        return True


def _serve(pipe: str, log: str, *arguments: str) -> None:
    """Run a server in the forked process."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    redirect(pipe, log)
    sys.argv = ["compiler.rehearsal", *arguments]
    try:
        main()
    except SystemExit:
        pass
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(0)


if __name__ == "__main__":
    # The kernel reaps ended servers, because this process does not wait for them.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    for line in sys.stdin:
        pid = os.fork()
        if pid == 0:
            _serve(*json.loads(line))
        sys.stdout.write(f"{pid}\n")
        sys.stdout.flush()
