"""Program that prints every measure of one simulated data set as JSON."""

from __future__ import annotations

import json
import sys

import numpy as np
from msgspec import structs

from compiler.statistics.measures import bimodality, maxima, resolving
from compiler.statistics.measures.agreement import agreement, pearson, spearman
from compiler.statistics.measures.choice import choice
from compiler.statistics.measures.clusters import Clusters, Tally, clustered_error
from compiler.statistics.measures.heaping import heaping
from compiler.statistics.measures.intervals import wilson
from compiler.statistics.measures.variance import components

ROWS = 600


def measured(shuffle: int) -> str:
    """Compute all results; `shuffle` seeds the order of the rows, 0 for none."""
    # Raw words only: numpy does not guarantee that other draws from a seed stay the same.
    words = np.random.PCG64(5).random_raw(ROWS * 40).reshape(ROWS, 40) >> np.uint64(40)
    order = np.random.default_rng(shuffle).permutation(ROWS) if shuffle else np.arange(ROWS)
    drawn = (words / 2.0**24)[order]
    documents = np.asarray([f"d{int(200 * each[39] ** 1.5):03}" for each in drawn])
    rate = drawn[:, 0] ** 0.7
    solved = drawn[:, 1:6] < rate[:, None]
    scores = np.round(np.where(solved, 0.6, 0.1) + np.floor(drawn[:, 6:11] * 7) / 20, 2)
    again = np.round(np.clip(scores + np.floor(drawn[:, 11:16] * 3 - 1) / 10, 0, 1), 2)
    truths = [" ".join(chr(97 + int(26 * each)) * 3 for each in row[16:26]) for row in drawn]
    others = [" ".join(chr(97 + int(25 * each)) * 3 for each in row[26:36]) for row in drawn]
    clusters = Clusters.of(documents)
    tally = Tally(clusters)
    cell = tally.cell(drawn[:, 38] < 0.8)
    mine, best = scores[cell.rows], scores[cell.rows].max(axis=1)
    ordered = maxima.ordered_columns(tally, cell, mine)
    bins = bimodality.bin_columns(tally, cell, best)
    counts = resolving.count_columns(tally, cell, (mine >= 0.4).sum(axis=1), 5)
    gap = tally.column(cell, mine.mean(axis=1) - again[cell.rows].mean(axis=1))
    sweep = tally.sweep(1, 300)
    found = {
        "curve": maxima.curve(sweep, ordered),
        "gap": sweep.mean(gap),
        "valley": bimodality.valley_ratio(sweep, bins),
        "resolve": resolving.resolve_rate(sweep, counts, 5),
        "held out": resolving.held_out_rate(sweep, counts, 3),
        "fit": resolving.fit(sweep.totals[[column.index for column in counts]]),
        "error": clustered_error(scores.max(axis=1), clusters),
        "wilson": wilson(int((best < 0.4).sum()), len(best)),
        "sarle": bimodality.sarle(best),
        "agreement": agreement(
            np.stack([scores[:, 0], again[:, 0]], axis=1), clusters, 2, resamples=300
        ),
        "components": components(np.stack([scores, again], axis=2)),
        "heaping": heaping(scores),
        "pearson": pearson(scores[:, 0], again[:, 0]),
        "spearman": spearman(scores[:, 0], again[:, 0]),
        "choice": choice(truths, others, documents),
    }
    return json.dumps(found, default=structs.asdict, indent=1, sort_keys=True)


if __name__ == "__main__":
    sys.stdout.write(measured(int(sys.argv[1])))
