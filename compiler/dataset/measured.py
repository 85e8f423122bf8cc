"""The statistics of rows in files, recomputed from nothing but them."""

from __future__ import annotations

from pathlib import Path

import msgspec

from compiler.dataset import published, scopes
from compiler.dataset.observations import Observations, gather
from compiler.dataset.rows import files
from compiler.dataset.stats import Rules, Stats, compute
from compiler.errors import SourceError


class _Stated(msgspec.Struct):
    hard_below: float | None = None
    easy_from: float | None = None


def observed(path: Path) -> Observations:
    """The rows of a parquet file, or of all in a dataset directory, as columns.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    return gather(published.sights(files(path), scopes.groups(scopes.beside(path))))


def bands(path: Path) -> tuple[float, float] | None:
    """HARD and EASY as the statistics beside the data state them; None where nothing does.

    Raises:
        SourceError: `stats.json` cannot be read.
    """
    file = (path if path.is_dir() else path.parent.parent) / "stats.json"
    if not file.is_file():
        return None
    try:
        found = msgspec.json.decode(file.read_bytes(), type=_Stated)
    except msgspec.DecodeError as error:
        raise SourceError(
            f"not the statistics of a dataset: {error}",
            where=str(file),
            hint="build again, or give --hard and --easy",
        ) from error
    if found.hard_below is None or found.easy_from is None:
        return None
    return found.hard_below, found.easy_from


def stats(
    path: Path, hard_below: float, easy_from: float, rows: Observations | None = None
) -> Stats:
    """The statistics of what `observed` reads (`rows`, where it did), with audits beside the data:
    in the directory itself, or in the one of the dataset that a single file belongs to.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    found = observed(path) if rows is None else rows
    audits = published.audits(path if path.is_dir() else path.parent.parent)
    known = scopes.beside(path)
    pairs = published.pairs(files(path), scopes.by_response(known))
    return compute(found, pairs, audits, Rules(hard_below, easy_from, list(known)), None)
