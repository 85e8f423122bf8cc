"""A temporary store layered over a build's store, for steps that a read-only command runs.

It lets a comparison or a prompt run stale steps whose replies are all in the log, without writing
to the build directory, which may be in use.
"""

from __future__ import annotations

from pathlib import Path

from compiler.engine.artifact import Artifact
from compiler.engine.store import Manifest, Store


class Scratch(Store):
    """A store that reads `layer`, then the store `below`, and writes to `layer` only."""

    def __init__(self, layer: Path, below: Store) -> None:
        super().__init__(layer)
        self._below = below

    def path(self, artifact: Artifact) -> Path:
        """Return the file of an artifact, from the layer if it is there."""
        own = super().path(artifact)
        return own if own.exists() else self._below.path(artifact)

    def manifest(self, key: str) -> Manifest | None:
        """Read the manifest of a step from either store; None if neither has it."""
        return super().manifest(key) or self._below.manifest(key)

    def makers(self, artifact: Artifact) -> list[str]:
        """List the stages with a manifest of this artifact in either store."""
        return sorted({*super().makers(artifact), *self._below.makers(artifact)})

    def head(self, build: str, stage: str, place: str) -> str | None:
        """Return the last key of a step, from the store below."""
        return self._below.head(build, stage, place)

    def preimage(self, key: str) -> dict[str, object] | None:
        """Return the preimage of a finished step's key, from either store."""
        return super().preimage(key) or self._below.preimage(key)
