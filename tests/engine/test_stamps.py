"""Stamps of files: each change of a file changes its stamp, which states when it is reliable."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from compiler.engine import stamps
from compiler.engine.stamps import MARGIN_NS, Look


def looked(root: Path) -> Look:
    look = Look()
    assert look.file(root / "file") == 4
    look.file(root / "folder")
    look.perhaps(root / "absent")
    look.tree(root / "tree")
    look.tree(root / "no tree")
    look.listing(root / "listed", "*.txt")
    look.listing(root / "not listed", "*")
    return look


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("file", "folder/inner", "tree/a/b", "tree/__pycache__/c", "listed/one.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("text", encoding="utf-8")
    (tmp_path / "tree/link").symlink_to(tmp_path / "folder", target_is_directory=True)
    (tmp_path / "tree/loop").symlink_to(tmp_path / "tree", target_is_directory=True)
    time.sleep(MARGIN_NS / 1e9)
    return tmp_path


def again(path: Path, text: str = "text") -> None:
    path.write_text(text, encoding="utf-8")


def made(path: Path) -> None:
    path.parent.mkdir()
    again(path)


def replaced(path: Path) -> None:
    """Replace the file by one of the same size and modification time."""
    other, was = path.with_name("other"), path.stat()
    other.write_text("text", encoding="utf-8")
    os.utime(other, ns=(was.st_atime_ns, was.st_mtime_ns))
    other.replace(path)


def edited(path: Path) -> None:
    """Change bytes in place and restore the modification time."""
    was = path.stat()
    with path.open("r+b") as out:
        out.write(b"TEXT")
    os.utime(path, ns=(was.st_atime_ns, was.st_mtime_ns))


CHANGES: dict[str, Callable[[Path], object]] = {
    "written again": lambda r: again(r / "file"),
    "longer": lambda r: again(r / "file", "text and more"),
    "touched": lambda r: (r / "file").touch(),
    "edited, with its time put back": lambda r: edited(r / "file"),
    "replaced": lambda r: replaced(r / "file"),
    "made unreadable": lambda r: (r / "file").chmod(0),
    "gone": lambda r: (r / "file").unlink(),
    "created": lambda r: again(r / "absent"),
    "a new name in a directory": lambda r: again(r / "folder/more"),
    "edited in a tree": lambda r: edited(r / "tree/a/b"),
    "gone from a tree": lambda r: (r / "tree/a/b").unlink(),
    "created in a tree": lambda r: again(r / "tree/a/more"),
    "renamed in a tree": lambda r: (r / "tree/a/b").rename(r / "tree/a/c"),
    "edited behind a link of a tree": lambda r: edited(r / "folder/inner"),
    "a new tree": lambda r: made(r / "no tree/a"),
    "created in a listing": lambda r: again(r / "listed/two.txt"),
    "gone from a listing": lambda r: (r / "listed/one.txt").unlink(),
    "a new listing": lambda r: made(r / "not listed/a"),
}


@pytest.mark.parametrize("change", CHANGES)
def test_every_change_of_content_invalidates_the_stamps(root: Path, change: str) -> None:
    look = looked(root)
    assert look.holds()

    CHANGES[change](root)

    assert not look.holds()


def test_changes_outside_the_watched_content_are_ignored(root: Path) -> None:
    look = looked(root)
    again(root / "tree/__pycache__/d")
    again(root / "listed/other")
    again(root / "listed/one.txt", "a listing is of names")
    (root / "file").read_text(encoding="utf-8")

    assert look.holds()


def test_an_unreadable_file_invalidates_the_stamps(root: Path) -> None:
    look = looked(root)
    (root / "tree/a/b").unlink()
    (root / "tree/a/b").symlink_to("b")  # leads to itself

    assert not look.holds()
    with pytest.raises(OSError, match="symbolic links"):
        looked(root)


def test_a_stamp_is_reliable_a_margin_after_the_last_change(root: Path) -> None:
    before = looked(root)
    assert before.settled <= time.time_ns()
    os.utime(root / "tree/a/b", (1, 1))
    look = looked(root)

    changed = (root / "tree/a/b").stat().st_ctime_ns
    assert look.settled in (changed + MARGIN_NS, changed + 4_000_000_000)
    assert look.settled > before.settled


def test_times_of_a_coarse_clock_need_a_wider_margin(monkeypatch: pytest.MonkeyPatch) -> None:
    second = 1_700_000_000 * 10**9
    for changed, margin in ((second, 4 * 10**9), (second + 1, MARGIN_NS)):
        monkeypatch.setattr(stamps, "_stamp", lambda name, at=changed: [1, 2, at, 3])
        look = Look()
        look.file("any")

        assert look.settled == changed + margin


def test_a_missing_required_file_is_an_error(root: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Look().file(root / "absent")


def test_a_recent_removal_delays_reliability(root: Path) -> None:
    before = looked(root)
    (root / "tree/a/b").unlink()
    kept, counted = Look(), Look()
    kept.tree(root / "tree", removals=False)
    counted.tree(root / "tree")

    assert kept.trees == counted.trees
    assert kept.settled <= before.settled < counted.settled
