"""Zstd frames as a file of bytes, of which a part that is missing is an error."""

from __future__ import annotations

import io
from typing import BinaryIO

import zstandard

# Bytes that are read at once.
_PACKED = 1 << 16


class Frames(io.RawIOBase):
    """Unpacks zstd frames. One that is cut short is an error, which the library's own reader takes
    for the end.
    """

    def __init__(self, source: BinaryIO) -> None:
        super().__init__()
        self._source = source
        self._frame = zstandard.ZstdDecompressor().decompressobj()
        self._begun = False
        self._ready = b""

    def readable(self) -> bool:
        """It is."""
        return True

    def readinto(self, buffer: bytearray) -> int:  # type: ignore[override]
        """Unpacked bytes; 0 at the end of the last frame.

        Raises:
            EOFError: the last frame is cut short.
        """
        while not self._ready and (packed := self._source.read(_PACKED)):
            self._ready = self._unpacked(packed)
        if not self._ready and self._begun:
            raise EOFError("it is cut short (fetch it again)")
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
