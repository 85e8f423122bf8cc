"""A store beside the build's own: what can be made without asking is made here, and thrown away.

So a comparison may look past a stale step whose replies are all in the log, and writes nothing
into a build directory, which may be in use.
"""

from __future__ import annotations

from pathlib import Path

from compiler.engine.artifact import Artifact
from compiler.engine.store import Manifest, Store


class Scratch(Store):
    """Reads a build directory through a layer of its own, and writes into the layer only."""

    def __init__(self, layer: Path, below: Store) -> None:
        super().__init__(layer)
        self._below = below

    def path(self, artifact: Artifact) -> Path:
        """The file of an artifact, from whichever of the two has it."""
        own = super().path(artifact)
        return own if own.exists() else self._below.path(artifact)

    def manifest(self, key: str) -> Manifest | None:
        """The manifest of a step that either of the two has."""
        return super().manifest(key) or self._below.manifest(key)

    def makers(self, artifact: Artifact) -> list[str]:
        """The stages with a manifest of this artifact in either of the two."""
        return sorted({*super().makers(artifact), *self._below.makers(artifact)})

    def head(self, build: str, stage: str, place: str) -> str | None:
        """The key that a place of the build had last."""
        return self._below.head(build, stage, place)

    def preimage(self, key: str) -> dict[str, object] | None:
        """What a finished step's key was made of."""
        return super().preimage(key) or self._below.preimage(key)
