"""The statistics of rows in files, recomputed from nothing but them."""

from __future__ import annotations

from pathlib import Path

from compiler.dataset import published, rows
from compiler.dataset.observations import gather
from compiler.dataset.stats import Rules, Stats, compute
from compiler.records import GROUPS

# The published scopes in their order; others follow by name.
_SCOPES = ("word", "lens", *GROUPS[1:])


def stats(path: Path, hard_below: float, easy_from: float) -> Stats:
    """The statistics of a parquet file, or of all in a dataset directory with its audits.

    Raises:
        SourceError: there is no such file, or it holds no probes.
    """
    files = rows.files(path)
    audits = published.audits(path) if path.is_dir() else []
    rules = Rules(hard_below, easy_from, _SCOPES)
    found = gather(published.sights(files))
    return compute(found, published.pairs(files), audits, rules, None)
