"""One writer per directory, held by the operating system and so released by any death."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from compiler.errors import BusyError, StoreError


@contextmanager
def locked(
    root: Path,
    what: str = "build directory",
    hint: str = "wait for it, or name another directory with --build-dir",
) -> Iterator[None]:
    """Hold the lock of a directory, or raise BusyError naming the process that has it."""
    path = root / ".lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Nothing is left to write when it closes, where a full disk would be an error of its own.
        handle = path.open("a+b", buffering=0)
    except OSError as error:
        raise StoreError(
            f"the {what} is not writable: {error.strerror}",
            where=str(root),
            hint="make it writable, or name another with --build-dir",
        ) from error
    with handle:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            handle.seek(0)
            owner = handle.read().decode("ascii", "replace").strip() or "unknown"
            raise BusyError(
                f"another process is writing this {what} (process {owner})",
                where=str(root),
                hint=hint,
            ) from None
        with contextlib.suppress(OSError):  # others are told who holds it where there is room
            handle.truncate(0)
            handle.write(str(os.getpid()).encode("ascii"))
        yield


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait until no other process of this machine holds this file's lock, and hold it."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
