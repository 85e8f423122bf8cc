"""The build directory: content-addressed objects, manifests by key, heads by place.

    objects/ab/abcd....jsonl.zst   the rows of an artifact, named by content
    steps/ab/abcd....json          a manifest: what the step with this key produced
    heads/<build>/<stage>/0.3.json the key that this place of this build had last

A step exists when its manifest does. Manifests are written last, by atomic rename, so a build that
dies anywhere leaves either a whole step or none.
"""

from __future__ import annotations

import errno
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO, TypeVar

import msgspec

from compiler.engine.artifact import Artifact, Row, RowReader, RowWriter
from compiler.errors import StoreError
from compiler.keys import Json, digest

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Manifest:
    """A finished step: its key, everything the key was made of, and its outputs.

    `check`: digest of the rest, so that a flipped byte is found; earlier versions left it empty.
    """

    key: str
    preimage: dict[str, object]
    outputs: dict[str, Artifact]
    seconds: float
    check: str = ""


class Store:
    """Reads and writes one build directory."""

    def __init__(self, root: Path) -> None:
        self.root = root

    # objects

    @contextmanager
    def writing(self, suffix: str) -> Iterator[tuple[BinaryIO, Path]]:
        """A temporary file in the store, removed if the block fails or does not adopt it."""
        folder = self.root / "objects" / "tmp"
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            path = folder / f"{os.getpid()}-{os.urandom(6).hex()}{suffix}"
            out = path.open("w+b")
            try:
                yield out, path
            finally:
                try:
                    # On a full disk this fails as well.
                    out.close()
                finally:
                    path.unlink(missing_ok=True)

    @contextmanager
    def spool(self) -> Iterator[BinaryIO]:
        """A nameless file on the disk of the store, for what is gone when the block ends."""
        folder = self.root / "objects" / "tmp"
        with _translated(folder):
            folder.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryFile(dir=folder) as file:
                yield file

    def write_rows(self, rows: Iterable[object], frame_rows: int = 0) -> Artifact:
        """Store rows and describe them.

        `frame_rows`: put this many in each compressed frame so that single rows can be read.
        """
        found: list[Artifact] = []
        with self.appending(found.append, frame_rows) as writer:
            writer.extend(rows)
        return found[0]

    @contextmanager
    def appending(
        self, keep: Callable[[Artifact], None], frame_rows: int = 0
    ) -> Iterator[RowWriter]:
        """A writer of rows that are stored when the block ends; `keep` is told what they became."""
        with self.writing(".jsonl.zst") as (out, path):
            writer = RowWriter(out, frame_rows)
            yield writer
            artifact = writer.finish("")
            out.flush()
            os.fsync(out.fileno())
            keep(self.adopt(path, artifact, ".jsonl.zst"))

    def adopt(self, path: Path, artifact: Artifact, suffix: str) -> Artifact:
        """Move a finished temporary file to its content address."""
        content = artifact.digest
        # Two writers of one content differ in frames at most; the name tells those apart.
        frames = f".f{artifact.frame_rows}" if artifact.frame_rows else ""
        name = f"objects/{content[:2]}/{content}{frames}{suffix}"
        target = self.root / name
        with _translated(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            path.replace(target)
            size = target.stat().st_size
        return replace(artifact, file=name, bytes=size)

    def rows(self, artifact: Artifact, row: type[Row]) -> Iterator[Row]:
        """Every row of an artifact."""
        with self._open(artifact) as source:
            yield from self._reader(source, artifact).all(row)

    def rows_at(self, artifact: Artifact, numbers: Iterable[int], row: type[Row]) -> Iterator[Row]:
        """Single rows of an artifact that was written with `frame_rows`."""
        with self._open(artifact) as source:
            yield from self._reader(source, artifact).at(numbers, row)

    def _reader(self, source: BinaryIO, artifact: Artifact) -> RowReader:
        return RowReader(source, artifact, self.path(artifact), lambda: self.makers(artifact))

    def path(self, artifact: Artifact) -> Path:
        """The file that holds an artifact's bytes."""
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
        """The manifest of a finished step, if it is what was written and all its files are there in
        full size.
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
        """Where the manifest of a step is, or would be."""
        return self.root / "steps" / key[:2] / f"{key}.json"

    def read_manifest(self, key: str) -> Manifest | None:
        """The manifest of a step, whether its files are there or not."""
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
        """Whether the manifest of a step is byte for byte what was written under this key."""
        manifest = self.read_manifest(key)
        return (
            manifest is not None
            and manifest.key == key == digest("step", manifest.preimage)
            and manifest.check in ("", _check(manifest))
            # Those without a check were written without its field.
            and (not manifest.check or _encoded(manifest) == self.manifest_path(key).read_bytes())
        )

    def commit(self, manifest: Manifest) -> None:
        """Make a step exist. Its outputs must be stored already."""
        checked = replace(manifest, check=_check(manifest))
        write_atomic(self.manifest_path(manifest.key), _encoded(checked))

    def forget(self, key: str) -> None:
        """Make a step not exist; its outputs stay until nobody needs them."""
        self.manifest_path(key).unlink(missing_ok=True)

    def head_path(self, build: str, stage: str, place: str) -> Path:
        """Where the key that a place had last is, or would be."""
        return self.root / "heads" / build / stage / f"{place}.json"

    def head(self, build: str, stage: str, place: str) -> str | None:
        """The key that this place had when it was last built, if ever."""
        return self._load(self.head_path(build, stage, place), str)

    def set_head(self, build: str, stage: str, place: str, key: str) -> None:
        """Remember the key of this place, for explaining the next change."""
        write_atomic(self.head_path(build, stage, place), msgspec.json.encode(key))

    def preimage(self, key: str) -> dict[str, object] | None:
        """What a finished step's key was made of, even if its files are gone."""
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
        except msgspec.DecodeError:
            # Cut short, or of another version: a step runs again, and writes it anew.
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
        # Rows have none, and manifests of earlier versions were written without the field.
        if isinstance(output, dict) and not output["sha256"]:
            del output["sha256"]
    return fields


def write_atomic(path: Path, data: bytes, option: str = "--build-dir") -> None:
    """Write a whole file or nothing: temporary file, fsync, rename.

    `option`: of the command line, which names another place.

    Raises:
        StoreError: it cannot be written there.
    """
    if path.is_dir():
        raise StoreError("a directory", where=str(path), hint=f"name a file with {option}")
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
    """Turns the disk's errors into ours, with the remedy."""
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
            # Of a rename, the place where something is in the way.
            where=str(error.filename2 or error.filename or place),
            hint=hints.get(error.errno or 0),
        ) from error


def plain(value: object) -> Json:
    """A dataclass or container as plain JSON data, for params and preimages."""
    # Through JSON, because to_builtins keeps tuples.
    data: Json = msgspec.json.decode(msgspec.json.encode(value))
    return data
