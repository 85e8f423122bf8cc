"""A zstd reader that treats a truncated file as an error."""

from __future__ import annotations

import io
from typing import BinaryIO

import zstandard

# In bytes.
_CHUNK = 1 << 16


class Frames(io.RawIOBase):
    """A stream of the bytes in zstd frames.

    A truncated frame raises EOFError. The library's own reader takes it for the end of the file.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._ready = b""

    def readable(self) -> bool:
        """Return True."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # pyrefly: ignore[bad-override]
        """Fill a buffer with decompressed bytes; return their number, 0 after the last frame.

        Raises:
            EOFError: the last frame is truncated.
        """
        while not self._ready and (packed := self._source.read(_CHUNK)):
            self._ready = self._unpacked(packed)
        if not self._ready and self._begun:
            raise EOFError("the file is truncated (fetch it again)")
        given, self._ready = self._ready[: len(buffer)], self._ready[len(buffer) :]
        buffer[: len(given)] = given
        return len(given)

    def _unpacked(self, packed: bytes) -> bytes:
        parts = []
        while packed:
            parts.append(self._frame.decompress(packed))
            self._begun = not self._frame.eof
            if self._begun:
                break
            packed = self._frame.unused_data
            self._frame = zstandard.ZstdDecompressor().decompressobj()
        return b"".join(parts)
