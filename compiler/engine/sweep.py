"""Garbage collection of a build directory: files that no head and no given step refers to."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from compiler.engine.store import Store
from compiler.errors import StoreError


@dataclass
class Sweep:
    """The unreferenced files with their bytes, and counts of the files that stay."""

    files: list[tuple[Path, int]] = field(default_factory=list)
    kept_files: int = 0
    kept_bytes: int = 0

    @property
    def bytes(self) -> int:
        """The bytes that removing the unreferenced files frees."""
        return sum(size for _, size in self.files)

    def weigh(self, path: Path, *, keep: bool) -> None:
        """Count a file among those that stay or those that can be removed."""
        size = path.stat().st_size
        if keep:
            self.kept_files += 1
            self.kept_bytes += size
        else:
            self.files.append((path, size))


def survey(store: Store, roots: Iterable[str]) -> Sweep:
    """Find the manifests that neither a head nor `roots` (step keys) names, and their objects.

    An object stays if any manifest that stays has it as an output.

    Raises:
        StoreError: a head or a manifest cannot be read, so references are unknown.
    """
    keys = {*roots, *_heads(store)}
    objects: set[str] = set()
    for key in keys:
        manifest = store.read_manifest(key)
        if manifest is not None:
            objects.update(artifact.file for artifact in manifest.outputs.values())
    found = Sweep()
    for path in _files(store.root / "steps"):
        found.weigh(path, keep=path.stem in keys)
    for path in _files(store.root / "objects"):
        found.weigh(path, keep=path.relative_to(store.root).as_posix() in objects)
    return found


def remove(found: Sweep) -> None:
    """Remove the unreferenced files, manifests first, so that no manifest lacks its objects.

    Raises:
        StoreError: a file cannot be removed.
    """
    for path, _ in sorted(found.files, key=lambda each: "objects" in each[0].parts):
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise StoreError(f"cannot be removed: {error.strerror}", where=str(path)) from error


def _heads(store: Store) -> Iterator[str]:
    for path in _files(store.root / "heads"):
        try:
            yield msgspec.json.decode(path.read_bytes(), type=str)
        except msgspec.DecodeError as error:
            raise StoreError(
                f"not a head of this version: {error}",
                where=str(path),
                hint="delete it and build again",
            ) from error


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
