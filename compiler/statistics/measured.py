"""The statistics of rows in files, recomputed from nothing but them."""

from __future__ import annotations

from pathlib import Path

from compiler.dataset import scopes, stated
from compiler.dataset.rows import files
from compiler.statistics import published
from compiler.statistics.observations import Observations, gather
from compiler.statistics.stats import Rules, Stats, compute


def observed(path: Path) -> Observations:
    """The rows of a parquet file, or of all in a dataset directory, as columns.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    return gather(published.facts(files(path), scopes.groups(stated.scopes(path))))


def stats(
    path: Path, hard_below: float, easy_from: float, rows: Observations | None = None
) -> Stats:
    """The statistics of what `observed` reads (`rows`, where it did), with the audits of the
    dataset that they belong to.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    found = observed(path) if rows is None else rows
    audits = published.audits(stated.folder(path))
    known = stated.scopes(path)
    pairs = published.pairs(files(path), scopes.by_response(known))
    return compute(found, pairs, audits, Rules(hard_below, easy_from, list(known)), None)
