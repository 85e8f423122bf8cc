"""What a round needs beside its replies, by content: documents, tokenizers, lists of request keys.

Each is one zstd file `ab/abcdef....zst` below `.probec/blobs/`, named by the SHA-256 of what it
holds, so it can be copied anywhere and is checked whenever it is read.
"""

from __future__ import annotations

from pathlib import Path

import zstandard

from compiler.engine.store import write_atomic
from compiler.errors import DamagedError, StoreError
from compiler.keys import bytes_digest


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
    """Bytes as one zstd frame with a checksum."""
    compressor = zstandard.ZstdCompressor(level=9, write_checksum=True, write_content_size=True)
    return compressor.compress(data)


def unpack(packed: bytes, name: str, where: str) -> bytes:
    """What a frame holds, if that is what `name` is the SHA-256 of.

    Raises:
        DamagedError: it is not.
    """
    try:
        data = zstandard.ZstdDecompressor().decompress(packed)
    except zstandard.ZstdError:
        data = b""
    # A second way to write the same content would be no damage to us, but it was not written by us.
    if bytes_digest(data) != name:
        raise DamagedError(
            "a kept file does not hold what its name says",
            where=where,
            hint="delete it, and `probec cache pull` or `probec build` brings it back",
        )
    return data
