"""Content-addressed blobs of locked rounds: documents, tokenizers, and lists of request keys.

A blob is a zstd file `ab/abcdef....zst` below `.probec/blobs/`, named by the SHA-256 of its
decompressed content, so it can be copied anywhere and is verified at every read.
"""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard

from compiler.engine.store import write_atomic
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest

# The head of a skippable zstd frame of 32 bytes.
_TRAILER = struct.pack("<II", 0x184D2A50, 32)
_TRAILER_BYTES = len(_TRAILER) + 32


class Blobs:
    """The blobs of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Return the path of a blob, which need not exist."""
        return self.folder / name[:2] / f"{name}.zst"

    def __contains__(self, name: str) -> bool:
        return self.path(name).is_file()

    def put(self, data: bytes) -> str:
        """Store bytes and return their name."""
        name = bytes_digest(data)
        if name not in self:
            write_atomic(self.path(name), pack(data))
        return name

    def get(self, name: str) -> bytes | None:
        """Return the bytes of a blob, None if it does not exist.

        Raises:
            DamagedError: the content of the file does not match its name.
            StoreError: the file cannot be read.
        """
        path = self.path(name)
        try:
            packed = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from error
        return unpack(packed, name, str(path))


def pack(data: bytes) -> bytes:
    """Compress bytes to a zstd frame, followed by a skippable frame with its SHA-256."""
    frame = zstandard.ZstdCompressor(level=9, write_content_size=True).compress(data)
    return frame + _TRAILER + bytes.fromhex(bytes_digest(frame))


def unpack(packed: bytes, name: str, where: str) -> bytes:
    """Decompress the content of a blob and verify both digests.

    Raises:
        DamagedError: a byte changed, or `name` is not the SHA-256 of the content.
    """
    frame, trailer = packed[:-_TRAILER_BYTES], packed[-_TRAILER_BYTES:]
    data = b""
    if trailer == _TRAILER + bytes.fromhex(bytes_digest(frame)):
        try:
            data = zstandard.ZstdDecompressor().decompress(frame)
        except zstandard.ZstdError:
            data = b""
    if bytes_digest(data) != name:
        raise DamagedError(
            "the content of a stored blob does not match its name",
            where=where,
            hint="delete it; `probec cache pull` or `probec build` restores it",
        )
    return data
