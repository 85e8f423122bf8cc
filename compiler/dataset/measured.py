"""The statistics of rows in files, recomputed from nothing but them."""

from __future__ import annotations

from pathlib import Path

from compiler.dataset import published
from compiler.dataset.observations import Observations, gather
from compiler.dataset.rows import files
from compiler.dataset.stats import Rules, Stats, compute
from compiler.records import GROUPS

# The published scopes in their order; others follow by name.
_SCOPES = ("word", "lens", *GROUPS[1:])


def observed(path: Path) -> Observations:
    """The rows of a parquet file, or of all in a dataset directory, as columns.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    return gather(published.sights(files(path)))


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
    rules = Rules(hard_below, easy_from, _SCOPES)
    return compute(found, published.pairs(files(path)), audits, rules, None)
