"""Findings about an evaluation: what the judge did, what is suspect, and what is absent and why."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from compiler.evaluation.grid import Grid
from compiler.evaluation.results import CellResult, JudgeLine
from compiler.evaluation.scores import JUDGE
from compiler.statistics.measures.agreement import spearman
from compiler.statistics.measures.intervals import MIN_DOCUMENTS, Interval


def judge(grid: Grid) -> Iterator[JudgeLine]:
    """Count the verdicts of every method, and correlate its scores with the length of answers."""
    for (method, control, metric), series in grid.series.items():
        if metric == JUDGE:
            scored = series.scored & ~np.isnan(series.chars)
            yield JudgeLine(
                method,
                control,
                int(scored.sum() + series.failed.sum()),
                int(series.failed.sum()),
                spearman(series.scores[scored], series.chars[scored]),
            )


def warnings(cells: Sequence[CellResult]) -> Iterator[str]:
    """Find results that make a run suspect."""
    for cell in cells:
        for line in cell.lines:
            over = line.over_blind
            if cell.band == "easy" and over is not None and over.high is not None and over.high < 0:
                yield (
                    f"sanity failed: {line.method} is below the blind reader on EASY probes of "
                    f"{cell.name} ({over.value:.3f}), so the run is suspect"
                )
            main = cell.primary and not cell.clean and not cell.typicality
            gain = line.gain
            if main and gain is not None and gain.high is not None and gain.high < 0:
                yield (
                    f"{line.method} is below its {line.control} control in {cell.name}, "
                    f"{cell.band} ({cell.metric}, {gain.value:.3f})"
                )


def notes(grid: Grid, cells: Sequence[CellResult]) -> Iterator[str]:
    """State what is absent from the results, with the reason."""
    main = [cell for cell in cells if cell.primary and not cell.clean and not cell.typicality]
    methods = [name for name in grid.methods() if "real" in grid.controls(name)]
    for name in methods:
        lines = [line for cell in main for line in cell.lines if line.method == name]
        if lines and not any(line.gain is not None for line in lines):
            yield (
                f"{name} has no control: its scores cannot distinguish activations from text, and "
                "it has no rank"
            )
    if len(methods) == 1:
        yield "one method: no rank and no paired difference"
    ranked = [{line.control for line in cell.lines if line.rank is not None} for cell in main]
    if mixed := {control for controls in ranked if len(controls) > 1 for control in controls}:
        yield (
            f"ranks compare gains over different controls ({', '.join(sorted(mixed))}): give every "
            "method the same one"
        )
    few = dict.fromkeys(
        f"{cell.name}, {cell.band} ({cell.documents})"
        for cell in main
        if cell.documents < MIN_DOCUMENTS
    )
    if few:
        yield f"fewer than {MIN_DOCUMENTS} documents, so no interval: {'; '.join(few)}"
    if any(_constant(line.gain) for cell in main for line in cell.lines):
        yield "a gain that is equal on all probes of a cell has no interval"
    fitted = [cell.band for cell in main if cell.baseline == "cross-fitted"]
    if fitted:
        yield (
            "the blind rollouts that selected a band are not its baseline: each counts where the "
            "others select the probe, and the method's score has the same weights"
        )


def _constant(gain: Interval | None) -> bool:
    return gain is not None and gain.low is None and gain.documents >= MIN_DOCUMENTS
