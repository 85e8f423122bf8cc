"""Plots of the reported statistics, by the name of the table that holds their numbers."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from compiler.report.figures import artefacts, judge, losses, readers, scores
from compiler.report.figures.figure import Figure
from compiler.spec.scoring import Anchors
from compiler.statistics.stats import Stats

FIGURES: Mapping[str, Callable[[Stats, Anchors], Figure]] = {
    "slots": losses.fates,
    "rejects": losses.reasons,
    "scores": scores.bands,
    "distribution": scores.distribution,
    "maxima": scores.maxima,
    "unsolved": scores.unsolved,
    "baselines": readers.baselines,
    "distances": readers.distances,
    "anchors": judge.anchors,
    "gaps": judge.gaps,
    "values": judge.values,
    "again": judge.again,
    "flags": artefacts.flags,
    "repeated": artefacts.repeated,
    "choice": artefacts.choice,
}
