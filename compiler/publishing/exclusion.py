"""The documents that are taken out of the published rows."""

from __future__ import annotations

from pathlib import Path

from compiler.errors import UsageError


def read(path: str | None, root: Path) -> frozenset[str]:
    """Read the ids in a file, one a line; blank lines and lines that start with # are left out.

    Raises:
        UsageError: the file cannot be read, or has no id.
    """
    if path is None:
        return frozenset()
    place = root / path
    try:
        lines = place.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise UsageError(
            f"publish.exclude cannot be read: {error}",
            where=str(place),
            hint="name a file of document ids, one a line",
        ) from error
    found = frozenset(line.strip() for line in lines if line.strip() and line[0] != "#")
    if not found:
        raise UsageError(
            "publish.exclude has no document id", where=str(place), hint="leave publish.exclude out"
        )
    return found
