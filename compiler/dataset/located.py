"""The location of a source's files and the digest of their content.

A source is a local file, directory or glob, any fsspec URL, or a Hub dataset at a resolved commit.
"""

from __future__ import annotations

import glob
import hashlib
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from compiler.engine.stamps import Look
from compiler.errors import SourceError, in_a_line
from compiler.keys import Json, digest

_FORMATS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson")
_HUB = "hf://datasets/"


@dataclass(frozen=True, slots=True)
class Located:
    """The files of a source, the digest of their content, and the resolved revision.

    `files`: paths or URLs, in reading order. `revision`: the commit of a Hub dataset, else None.
    """

    path: str
    files: tuple[str, ...]
    digest: str
    revision: str | None


def needs_network(path: str) -> bool:
    """Return True if locating a source opens a socket."""
    return "://" in path and not path.startswith(("file://", "memory://", "local://"))


def locate(path: str, revision: str | None, root: Path, known: dict[str, Json]) -> Located:
    """Find the files of a source and compute the digest of their content.

    `root`: the directory that relative paths start from. `known`: a cache of file digests, path ->
    stamp and digest; this call adds to it.

    Raises:
        SourceError: there are no files, or they cannot be reached.
    """
    if path.startswith(_HUB):
        return _on_hub(path, revision)
    if "://" in path:
        return _remote(path)
    return _local(path, root, known)


@contextmanager
def opened(file: str, compression: str | None = None) -> Iterator[BinaryIO]:
    """Open one of the files; `compression` is fsspec's name of a format to decompress."""
    import fsspec

    with fsspec.open(file, "rb", compression=compression) as source:
        yield source


def local_files(path: str, root: Path) -> list[Path]:
    """Return the files of a local source, in reading order.

    Raises:
        SourceError: there are none, or one has an unknown format.
    """
    place = root / path
    if place.is_file():
        files = [place]
    elif place.is_dir():
        files = _below(place)
    elif any(char in path for char in "*?["):
        # As in a shell, hidden files match only a pattern with a leading dot.
        pattern = path if Path(path).is_absolute() else f"{glob.escape(str(root))}/{path}"
        found = map(Path, glob.iglob(pattern, recursive=True))
        files = sorted(each for each in found if each.is_file())
    else:
        files = []
    if not files:
        raise SourceError(
            "no such source file",
            where=path,
            hint=f"name a {', '.join(_FORMATS)} file, or a directory",
        )
    _known_format([str(file) for file in files])
    return files


def _local(path: str, root: Path, known: dict[str, Json]) -> Located:
    files = local_files(path, root)
    # Names are no part of the content; the order of the files is.
    content: Json = [_content_digest(file, known) for file in files]
    return Located(path, tuple(str(file) for file in files), digest("source", content), None)


def _below(folder: Path) -> list[Path]:
    """Return the data files below a directory, sorted; hidden files and directories are left out.

    Links are followed; a directory that several links lead to is read once.

    Raises:
        SourceError: a link has no target.
    """
    found: list[Path] = []
    seen = {folder.resolve()}
    for here, folders, names in os.walk(folder, onerror=_refused, followlinks=True):
        found += [Path(here, n) for n in names if n.endswith(_FORMATS) and n[0] != "."]
        below = {Path(here, name).resolve(): name for name in sorted(folders) if name[0] != "."}
        folders[:] = sorted(below[place] for place in below.keys() - seen)
        seen |= below.keys()
    if lost := [str(path) for path in found if not path.exists()]:
        raise SourceError("a link without a target", where=min(lost), hint="remove it")
    return sorted(path for path in found if path.is_file())


def _refused(error: OSError) -> None:
    raise error


def _content_digest(file: Path, known: dict[str, Json]) -> str:
    look = Look()
    look.file(file)
    rests = look.settled <= time.time_ns()
    (seen,) = look.files.values()
    stamp: Json = [*seen] if seen is not None else []
    entry = known.get(str(file))
    if isinstance(entry, dict) and entry.get("stamp") == stamp and "digest" in entry:
        return str(entry["digest"])
    with file.open("rb") as source:
        found = hashlib.file_digest(source, "sha256").hexdigest()
    if rests:
        known[str(file)] = {"stamp": stamp, "digest": found}
    return found


def _remote(path: str) -> Located:
    import fsspec

    try:
        files_system, inner = fsspec.core.url_to_fs(path)
        below = [name for name in files_system.find(inner) if _is_data(name, inner)]
        found = sorted(below) or (
            [inner]
            if files_system.isfile(inner)
            else sorted(name for name in files_system.glob(inner) if _is_data(name, inner))
        )
        marks = [[name, str(files_system.checksum(name))] for name in found]
    except Exception as error:  # every fsspec backend raises its own kinds
        raise SourceError(
            f"cannot be reached: {in_a_line(error)}",
            where=path,
            hint="check the URL and the network",
        ) from error
    if not found:
        raise SourceError("no source files there", where=path, hint=f"one of {', '.join(_FORMATS)}")
    _known_format(found)
    urls = tuple(files_system.unstrip_protocol(name) for name in found)
    return Located(path, urls, digest("source", marks), None)


def _is_data(name: str, inner: str) -> bool:
    """Return True if a file found below a path, or by a glob, has a known format and is visible."""
    plain = re.split(r"[*?\[]", inner, maxsplit=1)[0]
    base = plain if plain == inner else plain.rpartition("/")[0]
    parts = name.removeprefix(base.rstrip("/")).split("/")
    return name.endswith(_FORMATS) and not any(part.startswith(".") for part in parts)


def _on_hub(path: str, revision: str | None) -> Located:
    from huggingface_hub import HfApi, HfFileSystem

    owner, _, rest = path.removeprefix(_HUB).partition("/")
    name, _, inner = rest.partition("/")
    repo = f"{owner}/{name}"
    try:
        commit = HfApi().dataset_info(repo, revision=revision).sha
        place = f"datasets/{repo}@{commit}/{inner}".rstrip("/")
        found = HfFileSystem().find(place)
    except Exception as error:  # huggingface_hub and its transports raise many kinds
        raise SourceError(
            f"cannot be reached: {in_a_line(error)}",
            where=path,
            hint="check the network and the name, or build from a local copy with --source FILE",
        ) from error
    files = sorted(file for file in found if _is_data(file, place))
    if not files:
        raise SourceError("no parquet or JSONL files in that dataset", where=path)
    return Located(
        path, tuple(f"hf://{file}" for file in files), digest("source", [repo, commit]), commit
    )


def _known_format(files: Sequence[str]) -> None:
    for file in files:
        if not file.endswith(_FORMATS):
            raise SourceError(
                "not a known source format", where=file, hint=f"one of {', '.join(_FORMATS)}"
            )
