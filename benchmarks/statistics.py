"""Cost of a report's statistics at the published size, printed as text.

usage: python -m benchmarks.statistics [--small]        (make bench)

190,000 scored probes of 37,000 documents in 16 cells, five rollouts and a no-context baseline each,
1,000 resamples. The floor is measured in the same run: the matrix product that resampling needs, by
numpy alone, on weights that already exist. At a ratio of 1.0 everything else would cost nothing.
Ratios are of CPU seconds, because wall-clock time depends on the load of the machine. Then follows
the choice-only test of one cell.
"""

from __future__ import annotations

import argparse
import resource
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np

from benchmarks import machine
from compiler.report.terminal import table
from compiler.statistics.measures import bimodality, maxima, resolving
from compiler.statistics.measures.choice import MIN_PAIRS, choice
from compiler.statistics.measures.clusters import (
    Cell,
    Clusters,
    Column,
    Sweep,
    Tally,
    clustered_error,
    product,
)
from compiler.statistics.measures.heaping import heaping
from compiler.statistics.measures.units import Flags, Floats, Ints

ROLLOUTS = 5
CELLS = 16


@dataclass(frozen=True)
class Sizes:
    """Sizes of the measured parts."""

    probes: int
    documents: int
    resamples: int
    pairs: int


FULL = Sizes(190_000, 37_000, 1000, 12_000)
SMALL = Sizes(4_000, 800, 50, MIN_PAIRS)


@dataclass(frozen=True)
class Scored:
    """Simulated probes: scores in steps of 1/20, difficulty shared within a document."""

    documents: Ints
    cells: Ints
    scores: Floats
    baseline: Floats


@dataclass(frozen=True)
class Columns:
    """Columns that are summed for one cell."""

    cell: Cell
    ordered: tuple[Column, ...]
    hard: Column
    easy: Column
    histogram: tuple[Column, ...]
    counts: tuple[Column, ...]
    gap: Column


def simulated(sizes: Sizes) -> Scored:
    """Simulate scores; the success rate of a probe is a Beta of its document plus its own noise."""
    rng = np.random.default_rng(1)
    documents = np.sort(rng.integers(0, sizes.documents, sizes.probes))
    shared = rng.beta(0.8, 1.0, sizes.documents)[documents]
    rate = np.clip(shared + rng.normal(0, 0.15, sizes.probes), 0, 1)
    solved = rng.random((sizes.probes, ROLLOUTS)) < rate[:, None]
    noise = rng.integers(0, 8, solved.shape) / 20
    scores = np.where(solved, 0.6 + noise, noise).round(2)
    baseline = np.where(rng.random(sizes.probes) < rate / 3, 0.6, 0.2)
    return Scored(documents, rng.integers(0, CELLS, sizes.probes), scores, baseline)


class Clock:
    """Seconds of each phase."""

    def __init__(self) -> None:
        self.phases: dict[str, tuple[float, float]] = {}

    @contextmanager
    def phase(self, name: str) -> Iterator[None]:
        """Measure the wall-clock and CPU seconds of a block."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.phases[name] = (time.perf_counter() - wall, time.process_time() - cpu)


def gathered(tally: Tally, found: Scored, mask: Flags) -> Columns:
    """Return all columns of one cell."""
    cell = tally.cell(mask)
    scores = found.scores[cell.rows]
    best = scores.max(axis=1)
    return Columns(
        cell,
        maxima.ordered_columns(tally, cell, scores),
        tally.flags(cell, best < 0.4),
        tally.flags(cell, best >= 0.8),
        bimodality.bin_columns(tally, cell, best),
        resolving.count_columns(tally, cell, (scores >= 0.4).sum(axis=1), ROLLOUTS),
        tally.column(cell, scores.mean(axis=1) - found.baseline[cell.rows]),
    )


def estimates(sweep: Sweep, columns: Columns) -> int:
    """Compute every interval of a cell except the re-solve rate; return their number."""
    found = [
        *maxima.curve(sweep, columns.ordered),
        sweep.mean(columns.hard),
        sweep.mean(columns.easy),
        *(sweep.mean(column) for column in columns.histogram),
        bimodality.valley_ratio(sweep, columns.histogram),
        sweep.mean(columns.gap),
        resolving.held_out_rate(sweep, columns.counts, 3),
    ]
    return len(found)


def unresampled(found: Scored, cell: Cell) -> None:
    """Compute the measures without resampling: analytic error, heaps, Sarle's coefficient."""
    scores = found.scores[cell.rows]
    best, clusters = scores.max(axis=1), Clusters.of(found.documents[cell.rows])
    clustered_error(best, clusters)
    heaping(scores)
    bimodality.sarle(best)


def floor(sizes: Sizes, columns: int) -> float:
    """Return CPU seconds of the bare product of resampling weights and sums, by the cheaper way.

    The ways are one piece, as a BLAS would compute it, and blocks, which use one thread.
    """
    rng = np.random.default_rng(1)
    documents = -(-sizes.documents // 64) * 64
    weights = rng.integers(0, 4, (64, documents)).astype(np.float64)
    sums = rng.integers(0, 10**6, (columns, documents)).astype(np.float64)

    def blocked() -> None:
        for start in range(0, columns, 64):
            product(weights, sums[start : start + 64])

    found = []
    for once in (lambda: weights @ sums.T, blocked):
        once()
        started = time.process_time()
        for _ in range(3):
            once()
        found.append((time.process_time() - started) / 3 * sizes.resamples / 64)
    return min(found)


def words(seed: int, count: int) -> list[str]:
    """Return sentences of about 150 characters."""
    rng = np.random.default_rng(seed)
    known = ["".join(rng.choice(list("aeioulnrst"), rng.integers(2, 9))) for _ in range(2000)]
    return [" ".join(rng.choice(known, 24)) + "." for _ in range(count)]


def main() -> None:
    """Measure and print the results."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--small", action="store_true")
    sizes = SMALL if parser.parse_args().small else FULL
    found, clock = simulated(sizes), Clock()
    truths, others = words(1, sizes.pairs), words(2, sizes.pairs)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with clock.phase("sums per document"):
        tally = Tally(Clusters.of(found.documents))
        cells = [gathered(tally, found, found.cells == each) for each in range(CELLS)]
    with clock.phase("resampling"):
        sweep = tally.sweep(1, sizes.resamples)
    with clock.phase("means, maxima, shares, valley, gaps"):
        intervals = sum(estimates(sweep, each) for each in cells)
    with clock.phase("re-solve rates"):
        for each in cells:
            resolving.resolve_rate(sweep, each.counts, ROLLOUTS)
            resolving.fit(sweep.totals[[column.index for column in each.counts]])
    with clock.phase("error, heaps, Sarle"):
        for each in cells:
            unresampled(found, each.cell)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    total = tuple(sum(each) for each in zip(*clock.phases.values(), strict=True))
    with clock.phase("choice-only test of one cell"):
        choice(truths, others, [f"d{n // 2}" for n in range(sizes.pairs)])
    columns = sweep.resampled.shape[1]
    bare = floor(sizes, columns)
    print(f"{machine.described()}, numpy {np.__version__}")
    print(
        f"{sizes.probes:,} probes, {sizes.documents:,} documents, {CELLS} cells, "
        f"{sizes.resamples:,} resamples of {columns} columns, {intervals + CELLS} intervals"
    )
    rows: list[tuple[object, ...]] = [
        (name, wall, cpu, cpu / bare) for name, (wall, cpu) in clock.phases.items()
    ]
    rows.insert(-1, ("all of these", *total, total[1] / bare))
    rows.append(("floor: the bare matrix product", None, bare, 1.0))
    print(table(("statistics", "wall s", "CPU s", "CPU of floor"), rows))
    print(f"memory on top of the scores: {(peak - before) / 1024:,.0f} MB")
    print(f"choice-only test: {sizes.pairs:,} pairs of {len(truths[0])} characters")


if __name__ == "__main__":
    main()
