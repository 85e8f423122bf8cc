"""The bytes of source files, compared as they are read with what the source's digest states.

A build takes the digest of its source before it reads it. A file that changes in between, even if
it is put back afterwards, would end in a dataset with the identity of other content.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from compiler.dataset.located import opened, version
from compiler.errors import ChangedError

# In bytes.
_CHUNK = 1 << 20


@contextmanager
def unchanged(file: str, mark: str | None) -> Iterator[BinaryIO]:
    """Open a file of a source to be read once, from its start to its end.

    `mark`: what the source's digest states of it; None to compare nothing. The comparison comes
    when the block ends, or before an error of the block, which the change may have caused.

    Raises:
        ChangedError: the file has, or may have had, another content.
    """
    if mark is None:
        with opened(file) as source:
            yield source
    elif "://" in file:
        with _same_version(file, mark), opened(file) as source:
            yield source
    else:
        if not Path(file).exists():
            raise _changed(file, "was removed")
        with opened(file) as source:
            hashed = _Hashed(source)
            try:
                yield hashed  # pyrefly: ignore[invalid-yield]
            except Exception as error:
                if hashed.whole() != mark:
                    raise _changed(file) from error
                raise
            if hashed.whole() != mark:
                raise _changed(file)


def is_read_in_place(file: str, mark: str | None) -> bool:
    """Return whether the file of `unchanged` may be read in any order."""
    return mark is None or "://" in file


class _Hashed(io.RawIOBase):
    """A stream that computes the SHA-256 of what is read from a file."""

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._hash = hashlib.sha256()

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # pyrefly: ignore[bad-override]
        """Fill a buffer; return the number of bytes, 0 at the end."""
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self._hash.update(data)
        return len(data)

    def whole(self) -> str:
        """Read the rest of the file; return the digest of all bytes."""
        while data := self._source.read(_CHUNK):
            self._hash.update(data)
        return self._hash.hexdigest()


@contextmanager
def _same_version(file: str, mark: str) -> Iterator[None]:
    """Compare the version of a file at a URL before and after it is read."""
    before = version(file)
    if before[0] != mark:
        raise _changed(file)
    try:
        yield
    except Exception as error:
        if version(file) != before:
            raise _changed(file) from error
        raise
    if version(file) != before:
        raise _changed(file)


def _changed(file: str, how: str = "changed") -> ChangedError:
    return ChangedError(
        f"the source file {how} after the build took its digest, so nothing was built from it",
        where=file,
        hint="run the same command again when the file is no longer written to",
    )
