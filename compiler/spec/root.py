"""The names of spec files and the root of a project. Separate from `load`: it needs no YAML."""

from __future__ import annotations

from pathlib import Path

from compiler.errors import UsageError, nearest_file

SUFFIXES = (".yaml", ".yml")
"""The suffixes of spec files."""


def require(path: Path) -> Path:
    """Return the path of a spec.

    Raises:
        UsageError: there is no such file.
    """
    try:
        path.stat()
    except FileNotFoundError:
        near = nearest_file(path, SUFFIXES)
        raise UsageError("no such spec", where=str(path), hint=f"{near}check the path") from None
    except OSError:
        pass  # reading it says why
    return path


def project_root(path: Path) -> Path:
    """Return the nearest directory above a path that holds `prompts/`.

    Raises:
        UsageError: no directory above it does.
    """
    start = path.resolve().parent
    for folder in (start, *start.parents):
        if (folder / "prompts").is_dir():
            return folder
    raise UsageError(
        "no project here: no directory above the spec holds prompts/",
        where=str(path),
        hint="run `probec init` to start a project, or keep the spec inside one",
    )
