"""Blind scores: their distribution, their maxima, the shares of HARD and EASY, what HARD means."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from compiler.report.card import interval, number, percent
from compiler.report.figures.figure import (
    Figure,
    Panel,
    Section,
    Table,
    of,
    open_cells,
    place,
    pooled_too,
    top_of,
)
from compiler.report.plots import canvas
from compiler.report.plots.curve import curve
from compiler.report.plots.dots import Dot, dots
from compiler.report.plots.histogram import histogram
from compiler.statistics.scores import EDGES, CellStats
from compiler.statistics.stats import Stats

NO_SCORES = (
    "No row has blind scores, so there is nothing to show here. Templated probes (words and lens "
    "windows) are scored locally, against the model that is read; what became of all rows is in "
    "the section from slots to scores."
)

NO_SIDES = "No scored row names a side (prefix or suffix), so there is no task to show scores of."


def section(stats: Stats) -> Section:
    """All of it; absent when nothing is scored."""
    lead = (
        "A reader of the complement answers each written probe several times, without the hidden "
        "state; each answer is scored from 0 to 1. A probe is HARD when the best answer is below "
        f"{stats.hard_below:g}, EASY when it is at least {stats.easy_from:g}. Scopes and targets "
        "are different tasks: each has its own picture, and only rows called “all, pooled” in the "
        "tables mix them. Intervals are 95%, from resampling documents; fewer than 30 documents "
        "get none."
    )
    if not stats.pooled.rows:
        return Section("scores", "Blind scores", lead, (), (NO_SCORES,))
    if not open_cells(stats):
        return Section("scores", "Blind scores", lead, (), (NO_SIDES,))
    figures = (_distribution(stats), _maxima(stats), _shares(stats), _shape(stats))
    unsolved = _unsolved(stats)
    absent = (
        ()
        if unsolved is not None
        else ("Re-solve rates of HARD probes need at least three rollouts of every probe.",)
    )
    return Section(
        "scores", "Blind scores", lead, (*figures, *([unsolved] if unsolved else [])), absent
    )


def _distribution(stats: Stats) -> Figure:
    cells = open_cells(stats)
    top = canvas.ceiling(max(max(c.histogram) / sum(c.histogram) for c in cells) * 1.08)
    panels = tuple(
        Panel(
            place(cell),
            histogram(cell.histogram, EDGES, stats.hard_below, stats.easy_from, top, cell.target),
            of(cell.rows, cell.documents),
        )
        for cell in cells
    )
    bins = [f"{low:g} to {high:g}" for low, high in pairwise(EDGES)]
    rows = tuple(
        (
            place(cell),
            f"{cell.rows:,}",
            *(f"{count:,} ({canvas.percent(count / cell.rows)})" for count in cell.histogram),
            number(cell.std),
        )
        for cell in pooled_too(stats)
    )
    return Figure(
        "Best score of each probe",
        "Each bar counts probes by the best of their answers; the shaded ranges are HARD and EASY.",
        "Nearly all probes in one band: such a set cannot separate methods. Whether there are "
        "two groups is measured below, not judged by eye.",
        panels,
        Table(("cell", "n", *bins, "sd"), rows),
    )


def _maxima(stats: Stats) -> Figure:
    cells = open_cells(stats)
    top = top_of(each.high or each.value for cell in cells for each in cell.best)
    panels = tuple(
        Panel(
            place(cell),
            curve(cell.best, "best of k answers", cell.target, top),
            of(cell.rows, cell.documents),
        )
        for cell in cells
    )
    width = max(len(cell.best) for cell in pooled_too(stats))
    rows = tuple(
        (
            place(cell),
            f"{cell.rows:,}",
            *(interval(each) for each in cell.best),
            *("-" for _ in range(width - len(cell.best))),
        )
        for cell in pooled_too(stats)
    )
    return Figure(
        "Mean and expected maximum against the number of answers",
        "At k = 1 stands the mean score, at k the unbiased expected maximum of k answers, with its "
        "interval as a band.",
        "A curve that still climbs at its end: HARD then depends on how many answers were drawn, "
        "and maxima compare only at equal k.",
        panels,
        Table(("cell", "n", *(f"k = {k}" for k in range(1, width + 1))), rows),
    )


def _shares(stats: Stats) -> Figure:
    cells = [cell for cell in stats.cells if cell.rows and cell.scope]
    chosen = (
        ("HARD", f"best < {stats.hard_below:g}", [cell.hard for cell in cells]),
        ("EASY", f"best ≥ {stats.easy_from:g}", [cell.easy for cell in cells]),
    )
    panels = tuple(
        Panel(
            title,
            dots(
                [Dot(_short(c), each, _kind(c)) for c, each in zip(cells, found, strict=True)],
                f"share of probes with {rule}",
                shown=canvas.percent,
            ),
        )
        for title, rule, found in chosen
    )
    rows = tuple(
        (
            place(cell),
            f"{cell.rows:,}",
            f"{cell.documents:,}",
            f"{cell.hard_count:,}",
            percent(cell.hard),
            f"{cell.easy_count:,}",
            percent(cell.easy),
            interval(cell.second) if cell.second is not None else "-",
        )
        for cell in [*cells, stats.pooled]
    )
    header = ("cell", "n", "documents", "hard", "HARD", "easy", "EASY", "mean against response")
    return Figure(
        "HARD and EASY",
        "Each row is a cell, its share and 95% interval; rows of one typicality label stand below "
        "the row that holds both. Discs are prefix targets, diamonds suffix targets.",
        "Typical probes no easier than atypical ones: the label would be noise.",
        panels,
        Table(header, rows),
        wide=True,
    )


def _shape(stats: Stats) -> Figure:
    rows = tuple(_shape_row(cell) for cell in pooled_too(stats))
    header = (
        "cell",
        "n",
        "valley ratio",
        "Sarle (uniform 0.556)",
        "Ashman D (uniform 3.03)",
        "dip",
        "dip p, one row a document",
    )
    return Figure(
        "Two kinds of probes?",
        "Four measures of whether best scores fall into two groups: a valley ratio below 1 means "
        "fewer probes in the middle bin than in the lower of the two sides' peaks.",
        "Reading any one of them as a verdict: they are fooled by different things, and pooling "
        "scopes can make two groups out of none.",
        (),
        Table(header, rows),
    )


def _shape_row(cell: CellStats) -> tuple[str, ...]:
    shape = cell.shape
    assert shape is not None  # cells with rows have one
    fitted = shape.mixture
    return (
        place(cell),
        f"{cell.rows:,}",
        interval(shape.valley),
        number(shape.sarle),
        number(fitted.ashman) if fitted is not None else "one fits",
        number(shape.dip.statistic),
        _probability(shape.dip.p),
    )


def _probability(value: float | None) -> str:
    return "below 0.001" if value is not None and value < 0.001 else number(value)


def _unsolved(stats: Stats) -> Figure | None:
    cells = [cell for cell in open_cells(stats) if cell.unsolved is not None]
    if not cells:
        return None
    count = len(cells[0].best)
    chosen = [(cell, cell.unsolved) for cell in cells if cell.unsolved is not None]
    panels = (
        Panel(
            f"{count} new answers, by a beta-binomial fit",
            dots(
                [Dot(_short(cell), found.fresh, cell.target) for cell, found in chosen],
                "share of unsolved probes that would be solved",
                shown=canvas.percent,
            ),
        ),
        Panel(
            "two held-out answers, without a model",
            dots(
                [Dot(_short(cell), found.held_out, cell.target) for cell, found in chosen],
                "share of unsolved probes that were solved",
                shown=canvas.percent,
            ),
        ),
    )
    return Figure(
        "Would HARD probes stay hard?",
        f"Of the probes that no answer solved (reached {stats.hard_below:g}), the share that "
        "fresh answers would solve: what selection by a noisy maximum flatters.",
        "A high share: the HARD set then holds many probes that were only unlucky, and results on "
        "it should come from answers that did not select it.",
        panels,
        Table(
            (
                "cell",
                "unsolved",
                f"solved by {count} new",
                "by 2 held out",
                "rate of one at most",
                "fitted rate",
                "correlation",
            ),
            tuple(_unsolved_rows(stats)),
        ),
        wide=True,
    )


def _unsolved_rows(stats: Stats) -> Iterator[tuple[str, ...]]:
    for cell in pooled_too(stats):
        found = cell.unsolved
        if found is not None:
            yield (
                place(cell),
                f"{found.rows:,} of {cell.rows:,}",
                percent(found.fresh),
                percent(found.held_out),
                number(found.bound),
                number(found.fit.rate),
                number(found.fit.correlation),
            )


def _short(cell: CellStats) -> str:
    return f"· {cell.target}, {cell.typicality}" if cell.typicality else place(cell)


def _kind(cell: CellStats) -> str:
    return f"{cell.target} part" if cell.typicality else cell.target
