"""Which files of a build directory nothing refers to any more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec

from compiler.engine.store import Store
from compiler.errors import StoreError


@dataclass
class Sweep:
    """What can go, with bytes, and how much stays."""

    files: list[tuple[Path, int]] = field(default_factory=list)
    kept_files: int = 0
    kept_bytes: int = 0

    @property
    def bytes(self) -> int:
        """What removing it frees."""
        return sum(size for _, size in self.files)

    def weigh(self, path: Path, *, keep: bool) -> None:
        """Count a file among what stays or what can go."""
        size = path.stat().st_size
        if keep:
            self.kept_files += 1
            self.kept_bytes += size
        else:
            self.files.append((path, size))


def survey(store: Store, roots: Iterable[str]) -> Sweep:
    """Manifests that neither a head nor `roots` (step keys) name, and objects of no such manifest.

    Raises:
        StoreError: a head or a manifest that is needed cannot be read, so nothing can be judged.
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
    """Remove what can go, manifests first: a step without its files would be half a step."""
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
                f"not a record of this version: {error}",
                where=str(path),
                hint="delete it and build again",
            ) from error


def _files(folder: Path) -> list[Path]:
    return [path for path in sorted(folder.rglob("*")) if path.is_file()]
