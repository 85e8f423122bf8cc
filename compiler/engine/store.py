"""The build directory: content-addressed objects, manifests by step key, heads by place.

    objects/ab/abcd....jsonl.zst   the rows of an artifact, named by content digest
    steps/ab/abcd....json          the manifest of the step with this key: its inputs and outputs
    heads/<build>/<stage>/0.3.json the key of this part of this stage in the last build

A step exists when its manifest does. Manifests are written last, by atomic rename, so a build that
is killed at any point leaves a step complete or absent.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from compiler.engine.artifact import Artifact, Row, RowReader, RowWriter
from compiler.errors import StoreError
from compiler.keys import Json, digest

T = TypeVar("T")


class Manifest(Struct, frozen=True):
    """The record of a finished step: its key, the key's preimage, and its outputs.

    `seconds`: of process time. `check`: digest of the other fields, which detects damage; empty in
    manifests of earlier versions.
    """

    key: str
    preimage: dict[str, object]
    outputs: dict[str, Artifact]
    seconds: float
    check: str = ""


class Store:
    """The objects, manifests and heads of one build directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # objects

    @contextmanager
    def writing(self, suffix: str) -> Iterator[tuple[BinaryIO, Path]]:
        """Open a temporary file in the store, which is removed unless the block adopts it."""
        folder = self.root / "objects" / "tmp"
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{os.getpid()}-{os.urandom(6).hex()}{suffix}"
            out = path.open("w+b")
            try:
                yield out, path
            finally:
                try:
                    # On a full disk this raises too.
                    out.close()
                finally:
                    path.unlink(missing_ok=True)

    @contextmanager
    def spool(self) -> Iterator[BinaryIO]:
        """Open an anonymous temporary file on the store's disk; it is removed with the block."""
        folder = self.root / "objects" / "tmp"
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                yield file

    def write_rows(self, rows: Iterable[object], frame_rows: int = 0) -> Artifact:
        """Store rows and return their artifact.

        `frame_rows`: rows in each compressed frame, for reading single rows; 0 cuts by size.
        """
        found: list[Artifact] = []
        with self.appending(found.append, frame_rows) as writer:
            writer.extend(rows)
        return found[0]

    @contextmanager
    def appending(
        self, keep: Callable[[Artifact], None], frame_rows: int = 0
    ) -> Iterator[RowWriter]:
        """Yield a writer whose rows are stored when the block ends; `keep` gets the artifact."""
        with self.writing(".jsonl.zst") as (out, path):
            writer = RowWriter(out, frame_rows)
            yield writer
            artifact = writer.finish("")
            out.flush()
            os.fsync(out.fileno())
            keep(self.adopt(path, artifact, ".jsonl.zst"))

    def adopt(self, path: Path, artifact: Artifact, suffix: str) -> Artifact:
        """Move a finished temporary file to its content address; return the located artifact."""
        content = artifact.digest
        # Files with the same content can differ only in their frames, so those are in the name.
        frames = f".f{artifact.frame_rows}" if artifact.frame_rows else ""
        name = f"objects/{content[:2]}/{content}{frames}{suffix}"
        target = self.root / name
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            size = target.stat().st_size
        return replace(artifact, file=name, bytes=size)

    def rows(self, artifact: Artifact, row: type[Row]) -> Iterator[Row]:
        """Yield every row of an artifact."""
        with self._open(artifact) as source:
            yield from self._reader(source, artifact).all(row)

    def rows_at(self, artifact: Artifact, numbers: Iterable[int], row: type[Row]) -> Iterator[Row]:
        """Yield single rows, by number, of an artifact that was written with `frame_rows`."""
        with self._open(artifact) as source:
            yield from self._reader(source, artifact).at(numbers, row)

    def _reader(self, source: BinaryIO, artifact: Artifact) -> RowReader:
        return RowReader(source, artifact, self.path(artifact), lambda: self.makers(artifact))

    def path(self, artifact: Artifact) -> Path:
        """Return the file of an artifact."""
        return self.root / artifact.file

    def _open(self, artifact: Artifact) -> BinaryIO:
        try:
            return self.path(artifact).open("rb")
        except OSError as error:
            raise StoreError(
                f"a stored file cannot be read: {error.strerror}",
                where=str(self.path(artifact)),
                hint="build again",
            ) from error

    # manifests and heads

    def manifest(self, key: str) -> Manifest | None:
        """Return the manifest of a finished step, None if it or an output is missing or damaged.

        An output counts as damaged if its file has another size.
        """
        found = self.read_manifest(key)
        if found is None or found.key != key or found.check not in ("", _check(found)):
            return None
        for artifact in found.outputs.values():
            try:
                if self.path(artifact).stat().st_size != artifact.bytes:
                    return None
            except FileNotFoundError:
                return None
        return found

    def manifest_path(self, key: str) -> Path:
        """Return the path of a step's manifest, which need not exist."""
        return self.root / "steps" / key[:2] / f"{key}.json"

    def read_manifest(self, key: str) -> Manifest | None:
        """Return the manifest of a step, even if its outputs are missing."""
        return self._load(self.manifest_path(key), Manifest)

    def makers(self, artifact: Artifact) -> list[str]:
        """The stages with a manifest that has this artifact, each with its version."""
        found = set()
        for path in (self.root / "steps").glob("*/*.json"):
            manifest = self._load(path, Manifest)
            if manifest is not None and any(
                each.file == artifact.file for each in manifest.outputs.values()
            ):
                preimage = manifest.preimage
                found.add(f"stage {preimage['stage']}, version {preimage['version']},")
        return sorted(found)

    def is_whole(self, key: str) -> bool:
        """Return True if the manifest of a step is byte for byte as it was written."""
        manifest = self.read_manifest(key)
        return (
            manifest is not None
            and manifest.key == key == digest("step", manifest.preimage)
            and manifest.check in ("", _check(manifest))
            # Manifests without a check were written without that field, so their bytes differ.
            and (not manifest.check or _encoded(manifest) == self.manifest_path(key).read_bytes())
        )

    def commit(self, manifest: Manifest) -> None:
        """Write the manifest of a step, whose outputs must be stored already."""
        checked = replace(manifest, check=_check(manifest))
        write_atomic(self.manifest_path(manifest.key), _encoded(checked))

    def forget(self, key: str) -> None:
        """Remove the manifest of a step; its outputs stay until `probec cache gc`."""
        self.manifest_path(key).unlink(missing_ok=True)

    def head_path(self, build: str, stage: str, place: str) -> Path:
        """Return the path of a head, which need not exist."""
        return self.root / "heads" / build / stage / f"{place}.json"

    def head(self, build: str, stage: str, place: str) -> str | None:
        """Return the key of this place in the last build, None if it was never built."""
        return self._load(self.head_path(build, stage, place), str)

    def set_head(self, build: str, stage: str, place: str, key: str) -> None:
        """Record the key of this place, with which the next plan explains changes."""
        write_atomic(self.head_path(build, stage, place), msgspec.json.encode(key))

    def preimage(self, key: str) -> dict[str, object] | None:
        """Return the preimage of a finished step's key, even if its outputs are missing."""
        found = self.read_manifest(key)
        return None if found is None else found.preimage

    def _load(self, path: Path, kind: type[T]) -> T | None:
        try:
            data = path.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreError(f"cannot be read: {error.strerror}", where=str(path)) from error
        try:
            return msgspec.json.decode(data, type=kind)
        except (msgspec.DecodeError, UnicodeDecodeError):
            # Truncated, or of another version: the step runs again and rewrites it.
            return None


def _check(manifest: Manifest) -> str:
    return digest("manifest", _fields(replace(manifest, check="")))


def _encoded(manifest: Manifest) -> bytes:
    return msgspec.json.format(msgspec.json.encode(_fields(manifest)), indent=1)


def _fields(manifest: Manifest) -> dict[str, Json]:
    fields = plain(manifest)
    assert isinstance(fields, dict)
    outputs = fields["outputs"]
    assert isinstance(outputs, dict)
    for output in outputs.values():
        # Empty for rows; manifests of earlier versions were written without the field.
        if isinstance(output, dict) and not output["sha256"]:
            del output["sha256"]
    return fields


def write_atomic(path: Path, data: bytes, option: str = "--build-dir") -> None:
    """Write a file atomically: temporary file, fsync, rename.

    `option`: the command-line option that names another place, for hints.

    Raises:
        StoreError: the file cannot be written.
    """
    if path.is_dir():
        raise StoreError("this is a directory", where=str(path), hint=f"name a file with {option}")
    with _translated(path, option):
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
        try:
            with temporary.open("wb") as out:
                out.write(data)
                out.flush()
                os.fsync(out.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def _translated(place: Path, option: str = "--build-dir") -> Iterator[None]:
    """Raise an OSError of the block as a StoreError with a remedy."""
    try:
        yield
    except OSError as error:
        hints = {
            errno.ENOSPC: "free some space and run the same command again; nothing is lost",
            errno.EDQUOT: "free some space and run the same command again; nothing is lost",
            errno.EFBIG: f"allow larger files (ulimit -f), or name another with {option}",
            errno.EACCES: f"make it writable, or name another with {option}",
            errno.EROFS: f"make it writable, or name another with {option}",
            errno.ENOTDIR: f"name another directory with {option}",
            errno.EEXIST: f"name another directory with {option}",
            errno.EISDIR: "remove it and run the same command again",
        }
        raise StoreError(
            f"cannot write: {error.strerror or error}",
            # An error of a rename names its target second.
            where=str(error.filename2 or error.filename or place),
            hint=hints.get(error.errno or 0),
        ) from error


def plain(value: object) -> Json:
    """Convert a dataclass or container to plain JSON data, for params and preimages."""
    # Through JSON, because `msgspec.to_builtins` keeps tuples.
    data: Json = msgspec.json.decode(msgspec.json.encode(value))
    return data
