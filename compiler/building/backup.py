"""A consistent copy of everything that was paid for, made while a build may run."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import msgspec

from compiler.errors import StoreError, UsageError
from compiler.llm.batches.journal import Journal
from compiler.llm.responses import ResponseLog
from compiler.project.place import Place

MARK = "backup.json"
"""The file that marks a directory as a backup."""
# Sealed bodies and results of batches; what is being written has another suffix.
_BATCH_FILES = ("*.keys.json", "*.body.json", "*.results.jsonl", "*.results.jsonl.zst")


@dataclass(frozen=True, slots=True)
class Backup:
    """A finished backup. `replaced`: an earlier one was there."""

    folder: Path
    replies: int
    batches: int
    files: int
    bytes: int
    replaced: bool


def make(place: Place, folder: Path) -> Backup:
    """Copy the response log, the batch journal with its files, and the blobs to a directory.

    It has the layout of `.probec` and appears under its name when it is complete.

    Raises:
        UsageError: the directory has other content, or there is nothing to copy.
        StoreError: the copy cannot be written, or the log lacks committed replies.
    """
    folder = folder.absolute()
    log, journal = place.log(), place.journal()
    part = folder.with_name(f".{folder.name}.probec-part")
    old = folder.with_name(f".{folder.name}.probec-old")
    replaced = _earlier(folder)
    if not log.path.is_file() and not journal.exists() and not place.blobs.folder.is_dir():
        # Opening raises if there was a log with replies.
        log.is_empty()
        raise UsageError("nothing was paid for here", where=str(place.state), hint="build first")
    try:
        for left in (part, old):
            shutil.rmtree(left, ignore_errors=True)
        part.mkdir(parents=True)
        replies, batches = _copy(place, log, journal, part)
        data = {"replies": replies, "batches": batches}
        (part / MARK).write_bytes(msgspec.json.encode(data) + b"\n")
        files = [path for path in part.rglob("*") if path.is_file()]
        for path in files:
            _sync(path)
        size = sum(path.stat().st_size for path in files)
        if replaced:
            os.rename(folder, old)
        os.replace(part, folder)
        _sync(folder.parent)
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise StoreError(
            f"the backup cannot be written: {error.strerror or error}",
            where=str(folder),
            hint="free some space or make it writable, and run the same command again",
        ) from error
    finally:
        log.close()
        journal.close()
    return Backup(folder, replies, batches, len(files), size, replaced)


def _copy(place: Place, log: ResponseLog, journal: Journal, part: Path) -> tuple[int, int]:
    """Copy everything; return the number of replies and of batches.

    The log comes last: replies are committed before the journal marks their batch as applied, so no
    batch of the copied journal counts as applied while its replies are missing. The files of
    batches are copied before and after the journal, since a running build adds and removes some.
    """
    replies = batches = 0
    if journal.exists():
        copied = Journal(part / "batches")
        copied.folder.mkdir()
        _copy_files(journal.folder, copied.folder)
        with journal.transaction() as db:
            db.execute("vacuum into ?", (str(copied.path),))
        _copy_files(journal.folder, copied.folder)
        batches = sum(shard.batch_id is not None for shard in copied.shards())
        copied.close()
    if place.blobs.folder.is_dir():
        shutil.copytree(place.blobs.folder, part / "blobs", ignore=shutil.ignore_patterns("*.tmp"))
    if not log.is_empty() or log.path.is_file():
        new = ResponseLog(part / log.path.name)
        log.copy(new.path)
        replies = len(new)
        new.close()
    return replies, batches


def _copy_files(source: Path, to: Path) -> None:
    for pattern in _BATCH_FILES:
        for path in source.glob(pattern):
            if not (to / path.name).exists():
                try:
                    shutil.copyfile(path, to / path.name)
                except FileNotFoundError:
                    # A running build has finished with it.
                    (to / path.name).unlink(missing_ok=True)


def _earlier(folder: Path) -> bool:
    """Return whether an earlier backup is there. Raises UsageError if something else is."""
    if not folder.exists():
        return False
    if (folder / MARK).is_file():
        return True
    if folder.is_dir() and not any(folder.iterdir()):
        return False
    raise UsageError(
        "there is something here that is not an earlier backup",
        where=str(folder),
        hint="name a new or empty directory",
    )


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
