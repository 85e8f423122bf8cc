"""What a round needs beside its replies, by content: documents, tokenizers, lists of request keys.

Each is one zstd file `ab/abcdef....zst` below `.probec/blobs/`, named by the SHA-256 of what it
holds, so it can be copied anywhere and is checked whenever it is read.
"""

from __future__ import annotations

import struct
from pathlib import Path

import zstandard

from compiler.engine.store import write_atomic
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest

# A skippable zstd frame of 32 bytes.
_TRAILER = struct.pack("<II", 0x184D2A50, 32)
_TRAILER_BYTES = len(_TRAILER) + 32


class Blobs:
    """The blobs of a project."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def path(self, name: str) -> Path:
        """Where the blob of that name is, or would be."""
        return self.folder / name[:2] / f"{name}.zst"

    def __contains__(self, name: str) -> bool:
        return self.path(name).is_file()

    def put(self, data: bytes) -> str:
        """Keep some bytes; returns their name."""
        name = bytes_digest(data)
        if name not in self:
            write_atomic(self.path(name), pack(data))
        return name

    def get(self, name: str) -> bytes | None:
        """The bytes of that name; None when they are not here.

        Raises:
            DamagedError: the file holds something else.
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
    """Bytes as a zstd frame, with a digest of the frame behind it in one that readers skip."""
    frame = zstandard.ZstdCompressor(level=9, write_content_size=True).compress(data)
    return frame + _TRAILER + bytes.fromhex(bytes_digest(frame))


def unpack(packed: bytes, name: str, where: str) -> bytes:
    """What was packed, if no byte of it changed and it is what `name` is the SHA-256 of.

    Raises:
        DamagedError: it is not.
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
            "a kept file does not hold what its name says",
            where=where,
            hint="delete it, and `probec cache pull` or `probec build` brings it back",
        )
    return data
