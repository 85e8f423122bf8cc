"""File locks, which the operating system releases however the process ends."""

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
    """Hold the lock of a directory until the block ends, so that it has one writer.

    `what`: the directory in messages.

    Raises:
        BusyError: another process holds the lock; the message names its process id.
        StoreError: the directory cannot be written.
    """
    path = root / ".lock"
    try:
        root.mkdir(parents=True, exist_ok=True)
        # Unbuffered: a flush at close would raise on a full disk.
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
        with contextlib.suppress(OSError):  # a full disk only costs others the process id
            handle.truncate(0)
            handle.write(str(os.getpid()).encode("ascii"))
        yield


@contextmanager
def turn(path: Path) -> Iterator[None]:
    """Wait for the lock of a file, and hold it until the block ends; for processes of a machine."""
    with path.open("a") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
