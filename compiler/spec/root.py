"""The files of specs, and the root of their project. Apart from `load`: it needs no YAML."""

from __future__ import annotations

from pathlib import Path

from compiler.errors import UsageError

SUFFIXES = (".yaml", ".yml")
"""The ends of the names of specs."""


def project_root(path: Path) -> Path:
    """The nearest ancestor of the spec that holds `prompts/`."""
    start = path.resolve().parent
    for folder in (start, *start.parents):
        if (folder / "prompts").is_dir():
            return folder
    raise UsageError(
        "no project here: no directory above the spec holds prompts/",
        where=str(path),
        hint="keep the spec inside a project, such as specs/ of a probec checkout",
    )
