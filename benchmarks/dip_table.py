"""Writes the table from which the chance of a dip is read: quantiles for uniform samples.

usage: python -m benchmarks.dip_table [--check]

Simulates 99,999 uniform samples of each size (two minutes) and writes
`compiler/dataset/measures/dip_table.json`; with --check, says whether it would be the same. The
numbers come from PCG64 as everywhere in the measures. The dips are computed by diptest, a library
for development, because it is twenty times as fast; tests hold ours to the same values.
"""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from compiler.statistics.measures import dip
from compiler.statistics.measures.draws import Draws
from compiler.statistics.measures.units import Floats

TABLE = Path(dip.__file__).with_name("dip_table.json")
# One less than a round number: (1 + how many reach it) / (1 + simulations) is then round as well.
SIMULATIONS = 99_999
SIZES = (*range(4, 14), 15, 20, 30, 50, 100, 200, 500, 1000, 2000, 5000)
CHANCES = (
    *(1.0, 0.999, 0.995, 0.99),
    *(each / 100 for each in range(98, 8, -2)),
    *(0.08, 0.07, 0.06, 0.05, 0.04, 0.03, 0.025, 0.02, 0.015, 0.01, 0.008, 0.006, 0.005, 0.004),
    *(0.003, 0.002, 0.0015, 0.001, 0.0007, 0.0005, 0.0003, 0.0002, 0.0001, 0.00005, 0.00002),
)
_AT_ONCE = 1_000_000

Engine = Callable[[Floats], float]


def by_diptest(ordered: Floats) -> float:
    """The dip of an ordered sample."""
    from diptest import dipstat

    return float(dipstat(ordered, sort_x=False, allow_zero=False))


def simulated(n: int, simulations: int, engine: Engine) -> Floats:
    """sqrt(n) * dip of uniform samples of n values, ascending; seeded by n."""
    draws, left, found = Draws(n), simulations, []
    while left:
        count = min(left, max(1, _AT_ONCE // n))
        samples = np.sort(draws.uniform(count * n).reshape(count, n), axis=1)
        found += [math.sqrt(n) * engine(each) for each in samples]
        left -= count
    return np.sort(np.asarray(found))


def quantiles(ascending: Floats, chances: Sequence[float]) -> list[float]:
    """What is reached by a share `chance` of 1 + simulations, the sample that asks counted."""
    total = len(ascending) + 1
    reaching = [min(len(ascending), max(1, round(each * total) - 1)) for each in chances]
    return [round(float(ascending[-each]), 6) for each in reaching]


def tabulated(sizes: Sequence[int], simulations: int, engine: Engine) -> str:
    """The file: JSON, one size a line."""
    rows = [json.dumps(quantiles(simulated(n, simulations, engine), CHANCES)) for n in sizes]
    return (
        f'{{"simulations": {simulations},\n'
        f'"chances": {json.dumps(CHANCES)},\n'
        f'"sizes": {json.dumps(sizes)},\n'
        '"quantiles": [\n' + ",\n".join(rows) + "\n]}\n"
    )


def main() -> None:
    """Write or check the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true")
    check = parser.parse_args().check
    found = tabulated(SIZES, SIMULATIONS, by_diptest)
    if not check:
        TABLE.write_text(found, encoding="utf-8")
    elif found != TABLE.read_text(encoding="utf-8"):
        sys.exit("the table is not what this program writes")
    print(f"{TABLE.name}: {len(SIZES)} sizes, {SIMULATIONS:,} samples of each")


if __name__ == "__main__":
    main()
