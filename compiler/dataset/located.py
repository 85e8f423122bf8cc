"""The location of a source's files and the digest of their content.

A source is a local file, directory or glob, any fsspec URL, or a Hub dataset at a resolved commit.
"""

from __future__ import annotations

import glob
import hashlib
import json
import os
import re
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO
from urllib.parse import unquote

from msgspec import Struct

from compiler.engine.stamps import Look
from compiler.errors import SourceError, in_a_line, nearest_file
from compiler.keys import Json, digest

if TYPE_CHECKING:
    from fsspec import AbstractFileSystem

_FORMATS = (".parquet", ".jsonl", ".jsonl.gz", ".jsonl.zst", ".ndjson")
# Read when it is named; a directory is not searched for it, because caches have such files too.
_ARROW = ".arrow"
_HUB = "hf://datasets/"
# The only URLs whose path is not split at `::`, since no chain begins with them.
_HERE = ("file://", "local://")
_LISTED = 5
# The fields that file systems state of a file and that change with its content. A checksum alone
# may be that of an earlier version which was put back.
_VERSION = (
    *("size", "mtime", "created", "ETag", "etag", "LastModified", "last_modified"),
    *("updated", "generation", "VersionId", "version_id"),
)
# Files beside the rows of a published dataset.
_BESIDE = ("*.json", "*.jsonl", "*.md")


class Located(Struct, frozen=True):
    """The files of a source, the digest of their content, and the resolved revision.

    `files`: paths or URLs, in reading order. `revision`: the commit of a Hub dataset, else None.
    `marks`: what the digest states of each file: the SHA-256 of its bytes, or the checksum that its
    file system reports; empty for a Hub dataset, whose commit fixes its files.
    """

    path: str
    files: tuple[str, ...]
    digest: str
    revision: str | None
    marks: tuple[str, ...] = ()


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
def opened(file: str) -> Iterator[BinaryIO]:
    """Open one of the files."""
    # In a local path, fsspec would take `::` for the end of a URL.
    if "://" not in file:
        with open(file, "rb") as source:
            yield source
    elif file.startswith(_HERE):
        files, inner = _system(file)
        with files.open(inner, "rb") as source:
            yield source
    else:
        import fsspec

        with fsspec.open(file, "rb") as source:
            yield source


def local_files(path: str, root: Path) -> list[Path]:
    """Return the files of a local source, in reading order.

    Raises:
        SourceError: there are none, or one has an unknown format.
    """
    place = root / path
    files: list[Path] = []
    if place.is_file():
        files = [place]
    elif place.is_dir():
        files = _below(place) or _saved(place)
    elif _is_pattern(path):
        # As in a shell, hidden files match only a pattern with a leading dot.
        pattern = path if Path(path).is_absolute() else f"{glob.escape(str(root))}/{path}"
        found = map(Path, glob.iglob(pattern, recursive=True))
        files = sorted(each for each in found if each.is_file())
    if not files:
        raise SourceError(
            _absent(place, path),
            where=path,
            hint=f"{_near(place, path, root)}name a {', '.join(_FORMATS)} file, or a directory",
        )
    _known_format([str(file) for file in files])
    return files


def _near(place: Path, path: str, root: Path) -> str:
    return "" if place.exists() or _is_pattern(path) else nearest_file(path, (*_FORMATS,), root)


def _absent(place: Path, path: str) -> str:
    """Describe a path that leads to no source file."""
    if place.is_dir():
        names = sorted(entry.name for entry in place.iterdir())
        more = f" and {len(names) - _LISTED} more" if len(names) > _LISTED else ""
        have = f"has: {', '.join(names[:_LISTED])}{more}" if names else "it is empty"
        return f"no source file in the directory ({have})"
    if place.exists():
        return "not a regular file"
    return f"no such source file{' matches the pattern' if _is_pattern(path) else ''}"


def _local(path: str, root: Path, known: dict[str, Json]) -> Located:
    files = local_files(path, root)
    # Names are no part of the content; the order of the files is.
    content = [_content_digest(file, known) for file in files]
    names = tuple(str(file) for file in files)
    return Located(path, names, digest("source", [*content]), None, tuple(content))


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


def _is_pattern(path: str) -> bool:
    return any(char in path for char in "*?[")


def state_file(folder: Path) -> Path:
    """Return the path of the file that lists the parts of a saved dataset."""
    return folder / "state.json"


def _saved(folder: Path) -> list[Path]:
    """Return the parts of a folder that `Dataset.save_to_disk` wrote; none for any other folder.

    Raises:
        SourceError: the folder holds several datasets, or lacks a part.
    """
    if (folder / "dataset_dict.json").is_file():
        splits = sorted(each.name for each in folder.iterdir() if state_file(each).is_file())
        raise SourceError(
            f"a saved DatasetDict with the splits {', '.join(splits)}",
            where=str(folder),
            hint="name the folder of one split",
        )
    state = state_file(folder)
    if not state.is_file() or not any(folder.glob(f"*{_ARROW}")):
        return []
    try:
        read = json.loads(state.read_text(encoding="utf-8"))
        parts = [folder / part["filename"] for part in read["_data_files"]]
        subset = read.get("_indices_data_files")
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise SourceError(
            "not the state of a saved dataset",
            where=str(state),
            hint="save the dataset again, or export it with Dataset.to_parquet",
        ) from error
    if lost := [part for part in parts if not part.is_file()]:
        raise SourceError(
            "a part of the saved dataset is missing", where=str(lost[0]), hint="save it again"
        )
    if subset:
        raise SourceError(
            "a saved dataset that selects rows through an indices file",
            where=str(folder),
            hint="export it with Dataset.to_parquet",
        )
    return parts


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
    saved = False
    try:
        files_system, inner = _system(path)
        below = [name for name in files_system.find(inner) if _is_data(name, inner)]
        found = sorted(below) or (
            [inner]
            if files_system.isfile(inner)
            else sorted(name for name in files_system.glob(inner) if _is_data(name, inner))
        )
        if not found:
            saved = any(name.endswith("/state.json") for name in files_system.find(inner))
        marks = {name: str(files_system.checksum(name)) for name in found}
    except Exception as error:  # every fsspec backend raises its own kinds
        raise SourceError(
            f"cannot be reached: {in_a_line(error)}",
            where=path,
            hint="check the URL and the network",
        ) from error
    if not found:
        what = ", but a saved dataset" if saved else ""
        raise SourceError(
            f"no source files there{what}",
            where=path,
            hint="copy the folder to this machine and name it, or name its .arrow files"
            if saved
            else f"one of {', '.join(_FORMATS)}",
        )
    _known_format(found)
    urls = tuple(files_system.unstrip_protocol(name) for name in found)
    content: Json = [[name, mark] for name, mark in marks.items()]
    return Located(path, urls, digest("source", content), None, tuple(marks.values()))


def version(url: str) -> tuple[str, dict[str, str]]:
    """Return the present checksum of a file at a URL, and what else tells its versions apart.

    Raises:
        SourceError: the file cannot be reached.
    """
    try:
        files_system, inner = _system(url)
        # Listings may be older than the files.
        files_system.invalidate_cache()
        facts = files_system.info(inner)
        stated = {name: str(facts[name]) for name in _VERSION if name in facts}
        return str(files_system.checksum(inner)), stated
    except Exception as error:  # every fsspec backend raises its own kinds
        raise SourceError(
            f"cannot be reached: {in_a_line(error)}",
            where=url,
            hint="check the URL and the network",
        ) from error


def _system(url: str) -> tuple[AbstractFileSystem, str]:
    """Return the file system of a URL and the path in it."""
    import fsspec

    if url.startswith(_HERE):
        files = fsspec.filesystem("file")
        return files, str(files._strip_protocol(url))
    files, inner = fsspec.core.url_to_fs(url)
    return files, str(inner)


def _is_data(name: str, inner: str) -> bool:
    """Return True if a file found below a path, or by a glob, has a known format and is visible."""
    plain = re.split(r"[*?\[]", inner, maxsplit=1)[0]
    base = plain if plain == inner else plain.rpartition("/")[0]
    parts = name.removeprefix(base.rstrip("/")).split("/")
    formats = (*_FORMATS, _ARROW) if inner.endswith(_ARROW) else _FORMATS
    return name.endswith(formats) and not any(part.startswith(".") for part in parts)


def _on_hub(path: str, revision: str | None) -> Located:
    from huggingface_hub import HfApi, HfFileSystem

    repo, revision, inner = _parsed(path, revision)
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


def _parsed(path: str, revision: str | None) -> tuple[str, str | None, str]:
    """Return repository, revision and inner path of `hf://datasets/OWNER/NAME[@REVISION][/PATH]`.

    A slash in the revision is written %2F.

    Raises:
        SourceError: the address names another revision than `revision`.
    """
    owner, _, rest = path.removeprefix(_HUB).partition("/")
    place, _, inner = rest.partition("/")
    name, _, named = place.partition("@")
    named = unquote(named)
    if named and revision not in (None, named):
        raise SourceError(
            f"the address names the revision {named}, and source.revision {revision}",
            where=path,
            hint="leave one out",
        )
    return f"{owner}/{name}", named or revision, inner


def fetched(path: str) -> Path:
    """Download a dataset on the Hub into the library's cache, and return its directory there.

    `path`: `hf://datasets/OWNER/NAME[@REVISION]`. Rows, statistics and card are downloaded.

    Raises:
        SourceError: it cannot be reached, or the path names something else.
    """
    from huggingface_hub import HfApi, snapshot_download

    repo, revision, inner = _parsed(path, None)
    if not path.startswith(_HUB) or inner:
        raise SourceError("not a dataset on the Hub", where=path, hint=f"{_HUB}OWNER/NAME@REVISION")
    try:
        commit = HfApi().dataset_info(repo, revision=revision).sha
        return Path(
            snapshot_download(
                repo, repo_type="dataset", revision=commit, allow_patterns=["data/*", *_BESIDE]
            )
        )
    except Exception as error:  # huggingface_hub and its transports raise many kinds
        raise SourceError(
            f"cannot be reached: {in_a_line(error)}",
            where=path,
            hint="check the network, the name and the revision",
        ) from error


def _known_format(files: Sequence[str]) -> None:
    for file in files:
        if not file.endswith((*_FORMATS, _ARROW)):
            raise SourceError(
                "not a known source format", where=file, hint=f"one of {', '.join(_FORMATS)}"
            )
