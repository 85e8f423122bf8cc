"""Artifacts, the stored outputs of steps, and the file format of their rows.

A rows artifact is JSON Lines in zstd frames. Its identity is the digest of the canonical lines,
never of the compressed bytes, so neither compressor nor frame size changes it.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
import zstandard
from msgspec import Struct

from compiler.errors import StoreError

Row = TypeVar("Row")

_ENCODER = msgspec.json.Encoder(order="deterministic")
_HEAD = b"probec/1\nrows\n"
FRAME_BYTES = 1 << 18


class Artifact(Struct, frozen=True):
    """A stored output of a step.

    `digest`: its identity. `file`: path below the root of the store; `bytes`: size of that file.
    `frame_rows`: rows in each frame (fewer in the last), 0 if frames were cut by size. `offsets`:
    byte offset of each frame, empty if `frame_rows` is 0. `sha256`: of the bytes of a file in
    another format; empty for rows, whose frames carry checksums.
    """

    digest: str
    file: str
    bytes: int
    rows: int
    frame_rows: int = 0
    offsets: tuple[int, ...] = ()
    sha256: str = ""


class RowDigest:
    """An incremental content digest of rows, independent of the format that stores them."""

    def __init__(self) -> None:
        self._hash = hashlib.sha256(_HEAD)
        self.rows = 0

    def append(self, row: object) -> bytes:
        """Add one row, a dataclass or dict of JSON-like values; return its canonical line."""
        line = _ENCODER.encode(row) + b"\n"
        self._hash.update(line)
        self.rows += 1
        return line

    def hexdigest(self) -> str:
        """Return the digest of the rows added so far."""
        return self._hash.hexdigest()


def row_digest(row: object) -> str:
    """Return the content digest of a single row."""
    alone = RowDigest()
    alone.append(row)
    return alone.hexdigest()


def content_digest(path: Path) -> str:
    """Compute the content digest of a rows file from its lines.

    Raises:
        StoreError: the file cannot be decompressed.
    """
    found = hashlib.sha256(_HEAD)
    try:
        with path.open("rb") as source:
            unpacked = zstandard.ZstdDecompressor().stream_reader(source, read_across_frames=True)
            while chunk := unpacked.read(FRAME_BYTES):
                found.update(chunk)
    except (OSError, zstandard.ZstdError) as error:
        raise StoreError(f"it cannot be decompressed: {error}", where=str(path)) from error
    return found.hexdigest()


def damaged(path: Path, how: str) -> StoreError:
    """Return the error for a stored file whose bytes are not those that were written."""
    return StoreError(
        f"a stored file is damaged: {how}",
        where=str(path),
        hint="delete that file and build again; replies are not in it",
    )


def reshaped(path: Path, makers: Iterable[str], how: str) -> StoreError:
    """The error for a file of the store that is intact and holds rows of another shape.

    `makers`: the stages that stored it, each with its version; a worker without shared storage
    has no record of them.
    """
    made_by = " and ".join(makers) or "an earlier stage"
    return StoreError(
        f"the rows that {made_by} stored have another shape than this version of the compiler "
        f"declares: {how}",
        where=str(path),
        hint="after a change of the row's type, raise VERSION of that stage; otherwise install the "
        "version of probec that built it, or delete `steps` in the build directory and build "
        "again; replies are not in it",
    )


class RowWriter:
    """A writer of rows to an open file, which also computes their content digest."""

    def __init__(self, out: BinaryIO, frame_rows: int) -> None:
        self._out = out
        self._frame_rows = frame_rows
        self._digest = RowDigest()
        self._pending = bytearray()
        self._pending_rows = 0
        self._offsets: list[int] = []
        self._at = 0
        self._compressor = zstandard.ZstdCompressor(
            level=3, write_content_size=True, write_checksum=True
        )

    def append(self, row: object) -> None:
        """Write one row, a dataclass of JSON-like values."""
        self._pending += self._digest.append(row)
        self._pending_rows += 1
        full = (
            self._pending_rows >= self._frame_rows
            if self._frame_rows
            else len(self._pending) >= FRAME_BYTES
        )
        if full:
            self._flush()

    def extend(self, rows: Iterable[object]) -> None:
        """Write many rows."""
        for row in rows:
            self.append(row)

    def _flush(self) -> None:
        if self._pending:
            frame = self._compressor.compress(bytes(self._pending))
            self._out.write(frame)
            self._offsets.append(self._at)
            self._at += len(frame)
            self._pending.clear()
            self._pending_rows = 0

    def finish(self, file: str) -> Artifact:
        """Write the last frame and return the artifact; `file` is its path in the store."""
        self._flush()
        offsets = tuple(self._offsets) if self._frame_rows else ()
        return Artifact(
            self._digest.hexdigest(), file, self._at, self._digest.rows, self._frame_rows, offsets
        )


class RowReader:
    """Reads rows of one type from an artifact's file.

    `makers`: finds the stages that stored the artifact, each with its version, for an error.
    """

    def __init__(
        self, source: BinaryIO, artifact: Artifact, path: Path, makers: Callable[[], Iterable[str]]
    ) -> None:
        self._source = source
        self._artifact = artifact
        self._path = path
        self._makers = makers

    def all(self, row: type[Row]) -> Iterator[Row]:
        """Yield every row in order, decoding about `FRAME_BYTES` of lines at a time."""
        decoder = msgspec.json.Decoder(row)
        rest = b""
        reader = zstandard.ZstdDecompressor().stream_reader(self._source, read_across_frames=True)
        try:
            while chunk := reader.read(FRAME_BYTES):
                whole = chunk.rfind(b"\n") + 1
                if whole:
                    yield from decoder.decode_lines(rest + chunk[:whole])
                    rest = b""
                rest += chunk[whole:]
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise self._broken(error) from error

    def at(self, numbers: Iterable[int], row: type[Row]) -> Iterator[Row]:
        """Yield the rows with these numbers, in that order; the artifact needs `frame_rows`."""
        decoder = msgspec.json.Decoder(row)
        size = self._artifact.frame_rows
        ends = (*self._artifact.offsets[1:], self._artifact.bytes)
        decompressor = zstandard.ZstdDecompressor()
        try:
            for number in numbers:
                frame, place = divmod(number, size)
                self._source.seek(self._artifact.offsets[frame])
                packed = self._source.read(ends[frame] - self._artifact.offsets[frame])
                yield decoder.decode(decompressor.decompress(packed).split(b"\n")[place])
        except (zstandard.ZstdError, msgspec.DecodeError) as error:
            raise self._broken(error) from error

    def _broken(self, error: Exception) -> StoreError:
        """The error for rows that cannot be read: another shape if the content is intact."""
        if isinstance(error, msgspec.ValidationError) and self._is_intact():
            return reshaped(self._path, self._makers(), str(error))
        return damaged(self._path, str(error))

    def _is_intact(self) -> bool:
        try:
            return content_digest(self._path) == self._artifact.digest
        except StoreError:
            return False
