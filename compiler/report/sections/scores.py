"""Blind scores: their distribution, expected maxima, bands, and the reliability of HARD."""

from __future__ import annotations

from itertools import pairwise

from compiler.embedded import MACHINERY
from compiler.report.numbers import count as grouped
from compiler.report.numbers import share, short
from compiler.report.sections.cells import (
    CELL,
    CHANGES,
    again,
    easy,
    expected_max,
    hard,
    place,
    typed,
    untyped,
)
from compiler.report.tree import (
    Column,
    Section,
    Table,
    bar,
    count,
    estimate,
    percent,
    percent_estimate,
    rows,
    score,
    word,
)
from compiler.statistics.scores import EDGES, CellStats
from compiler.statistics.stats import Stats

_NO_SCORES = (
    "No row has blind scores. Templated probes (words and lens windows) are scored locally, "
    "against the model whose hidden state is read."
)
_FEW = "Re-solve rates of HARD probes need at least three rollouts of every probe."
ONCE = "The noise of the judge in HARD is unknown: no answers were judged twice (scoring.rejudge)."
_NO_TARGETS = "No scored row names its target (prefix or suffix)."


def section(stats: Stats) -> Section:
    """Make the section; without scores it has a note and no table."""
    lead = (
        "A reader of the complement answers each written probe several times, without the hidden "
        f"state; each answer is scored from 0 to 1. A probe is HARD when its maximum is below "
        f"{short(stats.hard_below)}, EASY when it is at least {short(stats.easy_from)}. Scopes and "
        "targets are different tasks: only rows called “all” combine them. Intervals are 95%, from "
        "resampling documents; cells of fewer than 30 documents have none. The maximum grows with "
        "the number of rollouts: compare it at equal k only."
    )
    if not stats.pooled.rows:
        return Section("scores", "Blind scores", lead, (), (_NO_SCORES,))
    if not any(cell.scope for cell in untyped(stats)):
        return Section("scores", "Blind scores", lead, (), (_NO_TARGETS,))
    entries = (scores, by_typicality, histogram, distribution, maxima, shape, unsolved)
    tables = tuple(table for entry in entries if (table := entry(stats)) is not None)
    notes = (*(() if unsolved(stats) else (_FEW,)), *(() if stats.judge.noise else (ONCE,)))
    return Section("scores", "Blind scores", lead, tables, notes)


def scores(stats: Stats) -> Table:
    """Tabulate mean score, expected maximum and bands of every scope and target."""
    second = any(cell.second is not None for cell in untyped(stats))
    return Table(
        "scores",
        "Scores of each cell",
        "mean score and expected maximum, shares of HARD and EASY, and of probes whose band "
        "changes when the same answers are judged again; leaking: share of probes whose "
        "complement holds most of the atom's content (V14), or whose question holds most of the "
        f"answer's (V28){f'; {MACHINERY}' if stats.embedded else ''}",
        (
            *CELL,
            *_measures(stats),
            percent_estimate("leaking"),
            *((estimate("mean score against target_response"),) if second else ()),
        ),
        rows(
            (
                *place(cell),
                *_measured(stats, cell),
                cell.leak,
                *((cell.second,) if second else ()),
            )
            for cell in untyped(stats)
        ),
        "Nearly all probes in one band: such a dataset cannot distinguish methods.",
    )


def by_typicality(stats: Stats) -> Table | None:
    """Tabulate the same numbers of suffix targets by the generator's label."""
    found = [(*place(cell), cell.typicality, *_measured(stats, cell)) for cell in typed(stats)]
    if not found:
        return None
    return Table(
        "scores_by_typicality",
        "Blind scores by typicality",
        "suffix targets by the generator's label",
        (*CELL, word("typicality"), *_measures(stats)),
        rows(found),
        "Typical probes no easier than atypical ones: the label carries no information.",
    )


def _measures(stats: Stats) -> tuple[Column, ...]:
    return (
        count("scored"),
        count("documents"),
        estimate("mean score"),
        estimate(expected_max(stats)),
        score("std of max"),
        percent_estimate(hard(stats)),
        percent_estimate(easy(stats)),
        *((percent_estimate(CHANGES),) if stats.judge.noise else ()),
    )


def _measured(stats: Stats, cell: CellStats) -> tuple[object, ...]:
    noise = (again(stats, cell),) if stats.judge.noise else ()
    return (
        *(cell.rows, cell.documents, cell.mean, cell.top, cell.std),
        *(cell.hard, cell.easy, *noise),
    )


def histogram(stats: Stats) -> Table:
    """Tabulate the maximum of every scored row of all cells."""
    pooled = stats.pooled
    bins = list(pairwise(EDGES))
    return Table(
        "histogram",
        "Maximum blind score",
        f"{pooled.rows:,} scored rows by their maximum, all cells",
        (word("max"), count("probes"), percent("share"), bar("")),
        rows(
            (f"[{low:.1f}, {high:.1f}{']' if high == EDGES[-1] else ')'}", n, n / pooled.rows,
             n / pooled.rows)
            for (low, high), n in zip(bins, pooled.histogram, strict=True)
        ),
    )  # fmt: skip


def distribution(stats: Stats) -> Table:
    """Tabulate the maximum of every scored row, by cell."""
    bins = (word(f"{low:g} to {high:g}") for low, high in pairwise(EDGES))
    return Table(
        "distribution",
        "Maximum blind score by cell",
        "rows by their maximum, with shares of the cell",
        (*CELL, count("scored"), *bins),
        rows(
            (
                *place(cell),
                cell.rows,
                *(f"{grouped(n)} ({share(n, cell.rows)})" for n in cell.histogram),
            )
            for cell in untyped(stats)
        ),
    )


def maxima(stats: Stats) -> Table:
    """Tabulate the expected maximum of k rollouts against k."""
    width = max(len(cell.expected_max) for cell in untyped(stats))
    return Table(
        "maxima",
        "Expected maximum of k rollouts",
        "unbiased expected maximum of k scores; k = 1 is the mean score",
        (*CELL, count("scored"), *(estimate(f"k = {k}") for k in range(1, width + 1))),
        rows(
            (
                *place(cell),
                cell.rows,
                *cell.expected_max,
                *([None] * (width - len(cell.expected_max))),
            )
            for cell in untyped(stats)
        ),
        "A curve that still rises at its end: HARD depends on the number of rollouts.",
    )


def shape(stats: Stats) -> Table:
    """Tabulate measures of bimodality of the maximum."""
    return Table(
        "shape",
        "Bimodality of the maximum",
        "valley ratio: the middle bin over the lower of the two sides' peaks, below 1 with two "
        "groups; a uniform sample has a Sarle coefficient of 0.556",
        (
            *CELL,
            count("scored"),
            estimate("valley ratio"),
            score("Sarle coefficient"),
        ),
        rows(
            (
                *place(cell),
                cell.rows,
                cell.shape.valley,
                cell.shape.sarle,
            )
            for cell in untyped(stats)
            if cell.shape is not None
        ),
        "One measure without the other: skewness alone raises Sarle's coefficient, the valley "
        "ratio depends on the bins, and rows called “all” can show two groups that no scope has.",
    )


def unsolved(stats: Stats) -> Table | None:
    """Tabulate rows that no rollout solved, and the share that new rollouts would solve."""
    found = [(cell, cell.unsolved) for cell in untyped(stats) if cell.unsolved is not None]
    if not found:
        return None
    k = len(stats.pooled.expected_max)
    return Table(
        "unsolved",
        "Re-solve rate of HARD probes",
        f"rows of which no rollout reached {short(stats.hard_below)} were selected by a noisy "
        f"maximum; the share of them that new rollouts would solve, by a beta-binomial fit ({k} "
        "new) and by two held-out rollouts",
        (
            *CELL,
            count("scored"),
            count("never solved"),
            percent_estimate(f"re-solved by {k} new"),
            percent_estimate("re-solved by 2 held out"),
            score("solve rate at most"),
            score("fitted solve rate"),
            score("fitted correlation"),
        ),
        rows(
            (
                *place(cell),
                cell.rows,
                each.rows,
                each.fresh,
                each.held_out,
                each.bound,
                each.fit.rate,
                each.fit.correlation,
            )
            for cell, each in found
        ),
        "A high share: many HARD probes are HARD by chance. Report results on HARD with rollouts "
        "that did not select it.",
    )
