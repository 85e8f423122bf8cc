"""A spec with the changes that a command line makes to it.

Imports nothing heavy, so that a command line is parsed quickly.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path


@dataclass(frozen=True)
class Variant:
    """The spec at `path` with the changes of a command line.

    `overrides`: `PATH=VALUE` each, later ones win. `provider`: for all roles. `source`: a file or
    URL of rollouts that replaces the declared one, with the rounds scaled to its size.
    `build_dir`: the build directory if not that of the project.
    """

    path: Path
    overrides: tuple[str, ...] = ()
    provider: str | None = None
    source: str | None = None
    build_dir: Path | None = None

    @property
    def varied(self) -> bool:
        """True if the command line changes the spec."""
        return bool(self.overrides or self.provider is not None or self.source is not None)

    @property
    def location(self) -> str | None:
        """The substituted source as an absolute path or a URL."""
        if self.source is None or "://" in self.source:
            return self.source
        return str(Path(self.source).resolve())

    def adding(self, *overrides: str) -> Variant:
        """Return a copy with more overrides."""
        return replace(self, overrides=(*self.overrides, *overrides))

    def arguments(self) -> list[str]:
        """Return the command-line arguments that name this variant."""
        found = [str(self.path)]
        for flag, value in (("--provider", self.provider), ("--source", self.source)):
            found += [flag, value] if value is not None else []
        if self.build_dir is not None:
            found += ["--build-dir", str(self.build_dir)]
        for override in self.overrides:
            found += ["--set", override]
        return found
