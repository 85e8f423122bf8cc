"""The statistics of rows in files, without the build that made them."""

from __future__ import annotations

from pathlib import Path

from compiler.dataset import scopes, stated
from compiler.dataset.rows import files
from compiler.embedded import is_embedded
from compiler.statistics import published
from compiler.statistics.observations import Observations
from compiler.statistics.stats import Rules, Stats, compute


def observed(path: Path) -> Observations:
    """Read the rows of a parquet file, or of all files of a dataset directory, as columns.

    Raises:
        SourceError: there is no such file, or it is no table of probes.
    """
    return published.observed(files(path), scopes.groups(stated.scopes(path)))


def stats(
    path: Path, hard_below: float, easy_from: float, rows: Observations | None = None
) -> Stats:
    """Compute the statistics of rows in files, with the audits of their dataset.

    `hard_below`, `easy_from`: the thresholds of the bands; `rows`: the result of `observed`, if
    known.

    Raises:
        SourceError: there is no such file, it is no table of probes, or an audit cannot be read.
    """
    found = observed(path) if rows is None else rows
    audits = published.audits(stated.folder(path))
    known = stated.scopes(path)
    pairs = published.pairs(files(path), scopes.by_response(known))
    models = published.values(files(path), ("answerer_model", "judge_model"))
    by_embedded = any(is_embedded(each) for names in models.values() for each in names)
    rules = Rules(hard_below, easy_from, list(known), by_embedded)
    return compute(found, pairs, audits, rules, None)
