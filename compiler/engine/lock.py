"""File locks, which the operating system releases however the process ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from compiler.errors import BusyError, StoreError

_BUILDS = "locks"
_LOOK_SECONDS = 0.2
_ELSEWHERE = "wait for it, or name another directory with --build-dir"


@contextmanager
def locked(
    root: Path, what: str = "build directory", hint: str = _ELSEWHERE, owner: str = ""
) -> Iterator[None]:
    """Hold the lock of a directory until the block ends, so that it has one writer.

    `what`: the directory in messages. `owner`: the command of this process, for those of others.

    Raises:
        BusyError: another process holds the lock; the message names its process id.
        StoreError: the directory cannot be written.
    """
    with _opened(root, what) as handle:
        if not _taken(handle, fcntl.LOCK_EX):
            raise _busy(root, what, hint)
        _sign(handle, owner)
        yield


@contextmanager
def building(root: Path, name: str, owner: str, tidy: Callable[[], None]) -> Iterator[None]:
    """Hold the lock of one build of a build directory; builds of other names may run beside it.

    `tidy`: called first if no other build runs in the build directory.

    Raises:
        BusyError: another process builds this name, or holds the lock of the whole directory.
        StoreError: the directory cannot be written.
    """
    what = "build directory"
    with _opened(root, what) as handle, _opened(root / _BUILDS, what) as builds:
        if not _taken(handle, fcntl.LOCK_SH):
            raise _busy(root, what, _ELSEWHERE)
        if _taken(builds, fcntl.LOCK_EX):
            tidy()
        # Waits only while another build tidies up.
        fcntl.flock(builds, fcntl.LOCK_SH)
        with locked(root / _BUILDS / name, f"dataset, {name}", _ELSEWHERE, owner):
            yield


@contextmanager
def queued(
    root: Path, what: str, owner: str, hint: str, waiting: Callable[[str], None] | None
) -> Iterator[None]:
    """Wait for the lock of a directory, and hold it until the block ends.

    `waiting`: called with the reason for the wait, once for each owner; None to refuse instead.

    Raises:
        BusyError: another process holds the lock, and this one does not wait.
        StoreError: the directory cannot be written.
    """
    told = ""
    with _opened(root, what) as handle:
        while not _taken(handle, fcntl.LOCK_EX):
            if waiting is None:
                raise _busy(root, what, hint)
            holder = _owner(root)
            if holder != told:
                told = holder
                waiting(f"waiting for the {what}, which another process uses ({holder})")
            time.sleep(_LOOK_SECONDS)
        _sign(handle, owner)
        yield


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for the lock of a file, and hold it until the block ends; for processes of a machine."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


@contextmanager
def _opened(root: Path, what: str) -> Iterator[BinaryIO]:
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a flush at close would raise on a full disk.
        handle = (root / ".lock").open("a+b", buffering=0)
    except OSError as error:
        raise StoreError(
            f"the {what} is not writable: {error.strerror}",
            where=str(root),
            hint="make it writable, or name another with --build-dir",
        ) from error
    with handle:
        yield handle


def _taken(handle: BinaryIO, kind: int) -> bool:
    """Take a lock if that is possible now."""
    try:
        fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _sign(handle: BinaryIO, owner: str) -> None:
    """Write the process, its command and the time, for the messages of other processes."""
    since = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    text = ", ".join(filter(None, (f"process {os.getpid()}", owner and f"`{owner}`")))
    with contextlib.suppress(OSError):  # a full disk only costs others this text
        handle.truncate(0)
        handle.write(f"{text}, since {since}".encode("utf-8", "replace"))


def _owner(root: Path) -> str:
    with (root / ".lock").open("rb") as handle:
        return handle.read().decode("utf-8", "replace").strip() or "unknown"


def _busy(root: Path, what: str, hint: str) -> BusyError:
    holders = [_owner(root)]
    # The lock of a whole build directory may be shared by several builds.
    for path in sorted((root / _BUILDS).glob("*/.lock")):
        with path.open("rb") as handle:
            if not _taken(handle, fcntl.LOCK_SH):
                holders.append(_owner(path.parent))
    listed = "; ".join(holders[1:] or holders)
    return BusyError(
        f"another process is writing this {what} ({listed})", where=str(root), hint=hint
    )
