"""The shipped files that a build read, recorded so that a plan can name those that changed since.

A project's own files are not recorded: their changes are the user's.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from compiler import shipped
from compiler.engine.store import write_atomic
from compiler.keys import bytes_digest
from compiler.project.project import Project
from compiler.stages.context import Context
from compiler.version import __version__


def record(project: Project, context: Context) -> None:
    """Record the shipped files of a finished build; none if the project has its own of each."""
    used = _used(project, context)
    place = _place(project)
    if used:
        content = json.dumps({"version": __version__, "files": used}, indent=1)
        write_atomic(place, content.encode())
    else:
        place.unlink(missing_ok=True)


def notices(project: Project, context: Context) -> Iterator[str]:
    """Name the shipped files that changed since the dataset was last built."""
    try:
        before = json.loads(_place(project).read_bytes())
        version, files = str(before["version"]), dict(before["files"])
    except (OSError, ValueError, KeyError, TypeError):
        return  # not built yet, or by a version without such records
    since = f" ({version}, now {__version__})" if version != __version__ else ""
    for name, digest in _used(project, context).items():
        if files.get(name, digest) != digest:
            yield (
                f"{name}, which comes with probec, changed since the last build{since}; to keep "
                "the earlier file, put it into the project at that path"
            )


def _used(project: Project, context: Context) -> dict[str, str]:
    """Return the digest of every shipped file that a build reads, by path from the root."""
    paths = {
        *(path.resolve() for path in project.files),
        *(path.resolve() for path in context.templates.files.values()),
        *(file.path.resolve() for file in context.tokenizer_files.values()),
    }
    found = {}
    folder, root = shipped.FOLDER.resolve(), project.root.resolve()
    for path in sorted(paths):
        if path.is_relative_to(folder):
            name = path.relative_to(folder).as_posix()
            if path != root / name:
                found[name] = bytes_digest(path.read_bytes())
    return found


def _place(project: Project) -> Path:
    return project.store.root / "shipped" / f"{project.dataset}.json"
