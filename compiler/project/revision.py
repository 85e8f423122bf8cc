"""A project as it was: its words of another time over the data, replies and builds of today.

What decides a build's text (specs, prompts/, templates/) is laid out in a temporary root; all else
there is a link into the project, so that sources and tokenizers are read where they are. The
working tree is never touched.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from compiler.errors import UsageError
from compiler.spec.root import SUFFIXES, project_root

_WORDS = ("prompts", "templates")
_LINK = "120000"


def at_revision(spec: Path, revision: str, target: Path) -> tuple[Path, str]:
    """Lay out the project of `spec` as of a git revision below `target`.

    Returns the spec there and the short name of the commit.

    Raises:
        UsageError: no git, no repository, no such revision, or no such spec in it.
    """
    root = project_root(spec)
    inside = PurePosixPath(spec.resolve().relative_to(root).as_posix())
    name = f"{spec}@{revision}"
    if _git(root, "rev-parse", "--is-inside-work-tree") is None:
        raise UsageError(
            "git knows no repository here, so there are no revisions",
            where=name,
            hint="see `git status`; or compare with another spec",
        )
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options",
                 f"{revision}^{{commit}}")  # fmt: skip
    if found is None:
        raise UsageError(f"no revision {revision!r} here", where=name, hint="see `git log`")
    commit = found.decode().strip()
    short = commit[:7]
    files = _files(root, commit, inside.parent)
    if str(inside) not in files:
        raise UsageError(
            f"no {inside} at {short}", where=name, hint=f"see `git log --follow -- {inside}`"
        )
    overlay(root, inside, files, target)
    return target / inside, short


def overlay(root: Path, spec: PurePosixPath, files: Mapping[str, bytes], target: Path) -> None:
    """A project root at `target`: these files, and links to the rest of the project at `root`.

    Of prompts/, templates/ and the specs beside and above `spec` only `files` are there.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in _WORDS:
        (target / name).mkdir(exist_ok=True)
    for name, data in files.items():
        path = target / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    folder = PurePosixPath()
    for part in (*spec.parts[:-1], None):
        _link(root / folder, target / folder, keep=part, words=folder == PurePosixPath())
        folder = folder / part if part is not None else folder


def _link(source: Path, target: Path, *, keep: str | None, words: bool) -> None:
    """Links to what is in one directory, but for what has its own words there."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir() if source.is_dir() else ():
        own = entry.name == keep or (words and entry.name in _WORDS)
        spec = entry.suffix in SUFFIXES
        place = target / entry.name
        if not own and not spec and not place.exists():
            place.symlink_to(entry.resolve(), target_is_directory=entry.is_dir())


def _files(root: Path, commit: str, specs: PurePosixPath) -> dict[str, bytes]:
    """The words of a commit by their path from the project root."""
    listed = _read(root, "ls-tree", "-r", "-z", commit)
    # A spec may extend one that lies above it.
    folders = {specs, *specs.parents}
    files: dict[str, bytes] = {}
    for entry in listed.decode("utf-8", "surrogateescape").split("\0"):
        head, _, name = entry.partition("\t")
        if not name:
            continue
        mode, kind, blob = head.split()
        words = name.split("/")[0] in _WORDS
        spec = PurePosixPath(name).parent in folders and name.endswith(SUFFIXES)
        if kind == "blob" and (words or spec):
            if mode == _LINK:
                raise UsageError(
                    "a link among the words of a revision cannot be followed",
                    where=f"{commit[:7]}:{name}",
                    hint="compare with a checkout of that revision (`git worktree add`)",
                )
            files[name] = _read(root, "cat-file", "blob", blob)
    return files


def _read(root: Path, *arguments: str) -> bytes:
    """What git says to something that it must know."""
    found = _git(root, *arguments)
    if found is None:
        raise UsageError(
            f"git cannot read what it has: git {' '.join(arguments)}",
            where=str(root),
            hint="see `git fsck`; a shallow or partial clone may lack it",
        )
    return found


def _git(root: Path, *arguments: str) -> bytes | None:
    """What git says, None when it refuses."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UsageError(
            "git is not installed, so there are no revisions", hint="install git"
        ) from None
    return done.stdout if done.returncode == 0 else None
