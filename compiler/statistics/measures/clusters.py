"""Cluster bootstrap of rows by document, from exact sums per document.

Probes of one document are not independent observations, so documents are resampled. Every statistic
here is a function of sums over rows. A `Tally` keeps each sum per document; one sweep multiplies
all of them by resampling weights (how often each document is drawn), and a `Sweep` turns the
resampled sums into intervals. All cells of one tally share the resamples, so that differences
between cells are paired by document.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from fractions import Fraction

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.statistics.measures.draws import Draws
from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval, percentile
from compiler.statistics.measures.units import (
    EXACT_BELOW,
    SCALE,
    Floats,
    Ints,
    divided,
    rounded,
    scaled,
    whole,
)

RESAMPLES = 1000
# Resamples, documents and columns are multiplied in blocks of 64 x 64 x 64, on one thread. The BLAS
# multiplies larger matrices in threads that wait for one another in busy loops: on a machine with
# other load that was measured to be up to ten times slower.
_BLOCK = 64


class Clusters(Struct, frozen=True):
    """The document of each row. `codes`: int64 (n,), 0..count-1, in the order of sorted names."""

    codes: Ints
    count: int

    @classmethod
    def of(cls, documents: npt.ArrayLike) -> Clusters:
        """Number documents by their names (integers or strings, shape (n,)).

        A document's resampling weights depend on its rank among the sorted names: so the order of
        rows does not matter, and names must not depend on that order.
        """
        names, codes = np.unique(np.asarray(documents), return_inverse=True)
        return cls(codes.reshape(-1).astype(np.int64), len(names))

    def sums(self, values: npt.ArrayLike, rows: Ints | None = None, scale: int = SCALE) -> Floats:
        """Sum `values` (n,) per document, shape (count,), in whole units of 1/`scale`.

        `rows`: the row numbers of the values, if not all rows have one.

        Raises:
            ValueError: a value is not finite, or a resample's sum could exceed 2**53.
        """
        codes = self.codes if rows is None else self.codes[rows]
        units = scaled(values, scale)
        magnitude = np.bincount(codes, weights=np.abs(units), minlength=self.count)
        if self.count and float(magnitude.max()) * self.count >= EXACT_BELOW:
            raise ValueError(f"sums in units of 1/{scale} are not exact for these values")
        found = np.bincount(codes, weights=units, minlength=self.count)
        return found.astype(np.float64)


class Cell(Struct, frozen=True):
    """Some rows of a tally.

    `rows`: their row numbers; `documents`: the number of their documents; `counts`: the column of
    their number per document.
    """

    rows: Ints
    documents: int
    counts: int

    @property
    def n(self) -> int:
        """The number of rows."""
        return len(self.rows)


class Column(Struct, frozen=True):
    """One summed quantity of one cell. `index`: its place in the tally; `scale`: units per 1."""

    index: int
    scale: int
    cell: Cell


class Tally:
    """Sums per document of many quantities, collected before one sweep of resampling."""

    def __init__(self, clusters: Clusters) -> None:
        self.clusters = clusters
        self._blocks: list[Floats] = []
        self._columns = 0

    def cell(self, mask: npt.ArrayLike | None = None) -> Cell:
        """Add the cell of rows where `mask` (bool, (n,)) is true; of all rows without a mask.

        Raises:
            ValueError: the mask has another shape.
        """
        size = len(self.clusters.codes)
        flags = np.ones(size, dtype=bool) if mask is None else np.asarray(mask, dtype=bool)
        if flags.shape != (size,):
            raise ValueError(f"a mask of shape {flags.shape} does not fit {size} rows")
        rows = np.flatnonzero(flags).astype(np.int64)
        counts = self.clusters.sums(np.ones(len(rows)), rows, 1)
        return Cell(rows, int(np.count_nonzero(counts)), self._store(counts))

    def column(self, cell: Cell, values: npt.ArrayLike, scale: int = SCALE) -> Column:
        """Add a quantity per row of `cell`: `values` (cell.n,), kept in units of 1/`scale`."""
        return Column(self._store(self.clusters.sums(values, cell.rows, scale)), scale, cell)

    def columns(self, cell: Cell, values: npt.ArrayLike, scale: int = SCALE) -> tuple[Column, ...]:
        """Add a column for each of the m columns of `values` (cell.n, m)."""
        return tuple(self.column(cell, each, scale) for each in np.asarray(values).T)

    def flags(self, cell: Cell, values: npt.ArrayLike) -> Column:
        """Add a condition per row of `cell` (bool, (cell.n,)); its mean is a share."""
        return self.column(cell, np.asarray(values, dtype=bool), 1)

    def size(self, cell: Cell) -> Column:
        """Return the number of rows of `cell` as a column."""
        return Column(cell.counts, 1, cell)

    def sweep(self, seed: int, resamples: int = RESAMPLES) -> Sweep:
        """Resample documents with replacement `resamples` times, and sum every column each time."""
        total = [block.sum(axis=1) for block in self._blocks]
        if self.clusters.count < MIN_DOCUMENTS or not self._blocks:
            resamples = 0
        found = np.empty((resamples, _BLOCK * len(self._blocks)))
        done = 0
        for weights in _weights(self.clusters.count, seed, resamples):
            for place, block in enumerate(self._blocks):
                columns = slice(place * _BLOCK, (place + 1) * _BLOCK)
                found[done : done + len(weights), columns] = product(weights, block)
            done += len(weights)
        return Sweep(np.concatenate(total) if total else np.empty(0), found)

    def _store(self, sums: Floats) -> int:
        place = self._columns % _BLOCK
        if place == 0:
            self._blocks.append(np.zeros((_BLOCK, _padded(self.clusters.count))))
        self._blocks[-1][place, : self.clusters.count] = sums
        self._columns += 1
        return self._columns - 1


def product(weights: Floats, sums: Floats) -> Floats:
    """Multiply `weights` (b, m) by the transpose of `sums` (c, m), m a multiple of 64; exact.

    Both hold whole numbers whose sums stay below 2**53, so the order of additions changes nothing.
    """
    parts = weights.shape[1] // _BLOCK
    left = weights.reshape(len(weights), parts, _BLOCK).transpose(1, 0, 2)
    right = sums.reshape(len(sums), parts, _BLOCK).transpose(1, 2, 0)
    found: Floats = np.matmul(left, right).sum(axis=0)
    return found


def _padded(count: int) -> int:
    return -(-count // _BLOCK) * _BLOCK


def _weights(count: int, seed: int, resamples: int) -> Iterator[Floats]:
    """Yield how often each document is drawn, as float64 (b, padded count), b at most 64."""
    draws = Draws(seed)
    for start in range(0, resamples, _BLOCK):
        rows, width = min(_BLOCK, resamples - start), _padded(count)
        chunk = np.zeros((rows, width))
        if count:
            drawn = draws.below(count, rows * count).reshape(rows, count)
            # Rows are counted together, each in a range of its own.
            places = (drawn + np.arange(rows)[:, None] * width).reshape(-1)
            chunk = np.bincount(places, minlength=rows * width).astype(np.float64)
        yield chunk.reshape(rows, width)


class Sweep(Struct, frozen=True):
    """Sums of a tally's columns: `totals` (columns,) of all rows, `resampled` (B, columns)."""

    totals: Floats
    resampled: Floats

    def statistic(self, function: Callable[..., Floats], *columns: Column) -> Interval:
        """Compute a statistic of sums with its interval.

        `function` takes one array per column, each of shape (1,) or (B,), in the column's natural
        unit, and returns an array of the same shape, NaN where undefined. Over several cells, `n`
        and `documents` are those of the cell with the fewest documents.
        """
        places = [column.index for column in columns]
        scales = np.asarray([column.scale for column in columns], dtype=np.float64)
        value = function(*(self.totals[places] / scales)[:, None])
        cell = min((column.cell for column in columns), key=lambda each: (each.documents, each.n))
        # A statistic without an interval needs no draws.
        few = cell.documents < MIN_DOCUMENTS
        draws = np.empty(0) if few else function(*(self.resampled[:, places] / scales).T)
        return percentile(float(value[0]), draws, cell.n, cell.documents)

    def draws(self, function: Callable[..., Floats], *columns: Column) -> Floats:
        """Compute a statistic of sums, as `statistic` does, in every resample; shape (B,).

        Empty if a cell has too few documents for an interval.
        """
        if min(column.cell.documents for column in columns) < MIN_DOCUMENTS:
            return np.empty(0)
        places = [column.index for column in columns]
        scales = np.asarray([column.scale for column in columns], dtype=np.float64)
        return function(*(self.resampled[:, places] / scales).T)

    def mean(self, column: Column) -> Interval:
        """Compute the mean over the cell's rows; for a column of flags, the share of rows."""
        return self.statistic(divided, column, Column(column.cell.counts, 1, column.cell))

    def ratio(self, numerator: Column, denominator: Column) -> Interval:
        """Compute the ratio of two sums."""
        return self.statistic(divided, numerator, denominator)

    def difference(self, first: Column, second: Column) -> Interval:
        """Compute the mean of `first` less the mean of `second`.

        Columns of one cell are paired by row, those of two cells by document.
        """
        return self.statistic(
            lambda a, n, b, m: divided(a, n) - divided(b, m),
            first,
            Column(first.cell.counts, 1, first.cell),
            second,
            Column(second.cell.counts, 1, second.cell),
        )


class ClusteredError(Struct, frozen=True):
    """Analytic precision of a mean over `n` rows of `documents` documents.

    `error`: cluster-robust standard error; `design_effect`: its square over that of n independent
    rows, 1 + (m - 1) ICC for documents of m rows. All None without a row; the design effect is also
    None when all values are equal.
    """

    mean: float | None
    error: float | None
    design_effect: float | None
    n: int
    documents: int


def clustered_error(values: npt.ArrayLike, clusters: Clusters) -> ClusteredError:
    """Compute SE^2 = (1/n^2) sum over documents of (sum of (value - mean))^2.

    The formula is Miller's (arXiv 2411.00640). `values` (n,): one per row of `clusters`. Computed
    in integers, so exact in any order.
    """
    units = whole(values)
    n, documents = len(units), clusters.count
    if n == 0:
        return ClusteredError(None, None, None, 0, documents)
    sums = [int(each) for each in clusters.sums(values).tolist()]
    sizes = np.bincount(clusters.codes, minlength=documents).tolist()
    total = sum(units)
    # n * (value - mean) is a whole number of units.
    between = sum((n * s - total * m) ** 2 for s, m in zip(sums, sizes, strict=True))
    within = sum((n * each - total) ** 2 for each in units)
    variance = Fraction(between, n**4 * SCALE**2)
    return ClusteredError(
        rounded(Fraction(total, n * SCALE)),
        rounded(float(variance) ** 0.5),
        rounded(Fraction(between, within)) if within else None,
        n,
        documents,
    )
