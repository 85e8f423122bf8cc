"""A project at a git revision: its specs and prompts then, with today's data, replies and builds.

The specs, prompts/ and templates/ of the revision are written to a temporary root; everything else
there is a link into the project, so that sources and tokenizers are read in place. The working
tree is never changed.
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
    """Write the project of `spec` at a git revision to `target`.

    Returns the path of the spec there and the short name of the commit.

    Raises:
        UsageError: no git, no repository, no such revision, or no such spec in it.
    """
    root = project_root(spec)
    inside = PurePosixPath(spec.resolve().relative_to(root).as_posix())
    name = f"{spec}@{revision}"
    if _git(root, "rev-parse", "--is-inside-work-tree") is None:
        raise UsageError(
            "not in a git repository, so there are no revisions",
            where=name,
            hint="see `git status`, or compare with another spec",
        )
    found = _git(root, "rev-parse", "--verify", "--quiet", "--end-of-options",
                 f"{revision}^{{commit}}")  # fmt: skip
    if found is None:
        raise UsageError(f"unknown revision {revision!r}", where=name, hint="see `git log`")
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
    """Make a project root at `target`: these files, and links to the rest of the project at `root`.

    prompts/, templates/ and the directories from `spec` upwards contain only the specs, prompts and
    templates in `files`.
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
    """Link the entries of one directory, except specs and what the target has itself."""
    target.mkdir(parents=True, exist_ok=True)
    for entry in source.iterdir() if source.is_dir() else ():
        own = entry.name == keep or (words and entry.name in _WORDS)
        spec = entry.suffix in SUFFIXES
        place = target / entry.name
        if not own and not spec and not place.exists():
            place.symlink_to(entry.resolve(), target_is_directory=entry.is_dir())


def _files(root: Path, commit: str, specs: PurePosixPath) -> dict[str, bytes]:
    """Read the specs, prompts and templates of a commit, by path from the project root."""
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
                    "a revision's symbolic links to specs or templates cannot be followed",
                    where=f"{commit[:7]}:{name}",
                    hint="compare with a checkout of that revision (`git worktree add`)",
                )
            files[name] = _read(root, "cat-file", "blob", blob)
    return files


def _read(root: Path, *arguments: str) -> bytes:
    """Return the output of a git command that must succeed."""
    found = _git(root, *arguments)
    if found is None:
        raise UsageError(
            f"a git command failed: git {' '.join(arguments)}",
            where=str(root),
            hint="see `git fsck`; a shallow or partial clone may lack the objects",
        )
    return found


def _git(root: Path, *arguments: str) -> bytes | None:
    """Return the output of a git command; None if it fails."""
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, check=False
        )
    except FileNotFoundError:
        raise UsageError(
            "git is not installed, so there are no revisions", hint="install git"
        ) from None
    return done.stdout if done.returncode == 0 else None
