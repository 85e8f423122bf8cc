"""The conditions of a push, all checked before a socket is opened."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path

from compiler.building import folder
from compiler.checking import cards
from compiler.dataset import tables
from compiler.errors import PublishError
from compiler.publishing.dataset import Dataset
from compiler.publishing.files import CARD, described

GROUP_BYTES = 300_000_000
"""Bytes of a row group, before compression, that the Hub's dataset viewer still reads."""
_UNKNOWN = ("", "unknown")
_LICENSE = re.compile(r"^license: *(.*)$", re.MULTILINE)


def refuse(dataset: Dataset) -> None:
    """Raise unless a dataset may be published.

    Raises:
        PublishError: names every broken condition.
        ProbecError: the card or the rows cannot be read.
    """
    found = [*_changed(dataset), *_unlicensed(dataset.folder)]
    stop(found, dataset.folder)
    # Rows are read only if they are those of the build.
    data = {n: dataset.folder / n for n in dataset.digests if n.endswith(".parquet")}
    stop([*_untrue(dataset), *oversized(data)], dataset.folder)


def stop(found: list[str], folder: Path) -> None:
    """Raise if conditions are broken.

    Raises:
        PublishError: names them.
    """
    if found:
        listed = "".join(f"\n  {each}" for each in found)
        raise PublishError(f"not pushed, and nothing was sent:{listed}", where=str(folder))


def oversized(files: Mapping[str, Path]) -> Iterator[str]:
    """Yield the files with a row group that the viewer cannot read.

    Raises:
        SourceError: a file is not parquet.
    """
    for name, path in files.items():
        size = tables.largest_group(path)
        if size > GROUP_BYTES:
            yield (
                f"{name} has a row group of {size:,} bytes; the dataset viewer reads at most "
                f"{GROUP_BYTES:,} (set publish.row_group_rows lower, and build again)"
            )


def _changed(dataset: Dataset) -> Iterator[str]:
    installed = folder.contents(dataset.folder)
    other = sorted(n for n in dataset.digests if installed.get(n) != dataset.digests[n])
    differences = list(folder.differences(dataset.folder))
    differences += [f"{name} is of another build" for name in other]
    if not differences:
        differences += [
            f"{name}: its bytes changed"
            for name, sha256 in dataset.sums.items()
            if described(dataset.folder / name).sha256 != sha256
        ]
    for each in differences:
        yield f"{each} (`{dataset.command}` installs it again)"


def _untrue(dataset: Dataset) -> Iterator[str]:
    checked = cards.checked(dataset.folder, dataset.templates)
    if checked.failed:
        stale = len(checked.counted.stale)
        yield (
            f"the card has {checked.errors} contradictions and {stale} stale numbers "
            f"(`probec card {folder.shown(dataset.folder)} --check` lists them)"
        )


def _unlicensed(root: Path) -> list[str]:
    """Read the license in the front matter of the card."""
    path = root / CARD
    front = path.read_text(encoding="utf-8").split("\n---\n")[0] if path.is_file() else ""
    found = _LICENSE.search(front)
    if found is None or found[1].strip("\"' ") in _UNKNOWN:
        return ["no license is declared (set publish.license, and build again)"]
    return []
