"""All reported statistics, computed once from the rows and, for a build, from its ledger.

Statistics of rows depend on their columns alone, whichever project built them; a build adds its
planned and rejected slots and its usage.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np
from msgspec import Struct

from compiler.records import AuditScore
from compiler.statistics.artefacts import Artefacts, ArtefactStats, Pair
from compiler.statistics.context import ContextStats, contexts
from compiler.statistics.ledger import BuildStats
from compiler.statistics.observations import Ints, Names, Observations
from compiler.statistics.reliability import JudgeStats, reliability
from compiler.statistics.scores import CellStats, cells
from compiler.statistics.typicality import TypicalityStats, typicality


class ScopeStats(Struct, frozen=True):
    """Numbers of rows of one scope: in all, and by target, typicality, status and origin."""

    scope: str
    built: int
    targets: dict[str, int]
    typicality: dict[str, int]
    statuses: dict[str, int]
    origins: dict[str, int]


class Stats(Struct, frozen=True):
    """The statistics of a dataset, as the card, the report and the terminal show them.

    `cells`: the last one holds all scored rows. `flags`: rows by flag. `same_split_share`: share of
    documents whose splits are all at one offset; None without rows. `hard_below`, `easy_from`: the
    thresholds of the bands. `embedded`: the rows have scores, with answers or verdicts of the
    embedded model. `build`: None for rows of a file without its build.
    """

    probes: int
    documents: int
    rows_by_round: dict[str, int]
    scopes: tuple[ScopeStats, ...]
    cells: tuple[CellStats, ...]
    artefacts: tuple[ArtefactStats, ...]
    contexts: tuple[ContextStats, ...]
    flags: dict[str, int]
    typicality: TypicalityStats
    same_split_share: float | None
    judge: JudgeStats
    hard_below: float
    easy_from: float
    embedded: bool
    build: BuildStats | None

    @property
    def pooled(self) -> CellStats:
        """All scored rows as one cell."""
        return self.cells[-1]


class Rules(Struct, frozen=True):
    """The thresholds of the bands, and the known scopes in their order.

    `embedded`: the embedded model answered or judged.
    """

    hard_below: float
    easy_from: float
    scopes: Sequence[str]
    embedded: bool = False


def compute(
    rows: Observations,
    pairs: Iterable[Pair],
    audits: Iterable[AuditScore],
    rules: Rules,
    build: BuildStats | None,
) -> Stats:
    """Compute the statistics of a dataset. `build`: None for rows of a file without its build."""
    scopes = rows.order_of_scopes(rules.scopes)
    return Stats(
        probes=len(rows),
        documents=len(rows.names),
        rows_by_round=_tallied(rows.rounds),
        scopes=_scopes(rows, list(rules.scopes) if build is not None else scopes),
        cells=cells(rows, rules.hard_below, rules.easy_from, scopes),
        artefacts=_artefacts(rows, pairs, scopes),
        contexts=contexts(rows, scopes),
        flags=dict(sorted(rows.flags.items())),
        typicality=typicality(rows),
        same_split_share=_same_split(rows),
        judge=reliability(rows, audits, scopes, (rules.hard_below, rules.easy_from)),
        hard_below=rules.hard_below,
        easy_from=rules.easy_from,
        embedded=rules.embedded and bool(rows.has_scores().any()),
        build=build,
    )


def _scopes(rows: Observations, names: Sequence[str]) -> tuple[ScopeStats, ...]:
    found = []
    for name in names:
        of_scope = rows.scopes == name
        labels, origins = rows.typicality[of_scope], rows.origins[of_scope]
        found.append(
            ScopeStats(
                name,
                int(of_scope.sum()),
                _tallied(rows.targets[of_scope]),
                _tallied(labels[labels != ""]),
                _tallied(rows.statuses[of_scope]),
                _tallied(origins[origins != ""]),
            )
        )
    return tuple(found)


def _tallied(values: Names | Ints) -> dict[str, int]:
    """Count each value, sorted by its text."""
    found, counts = np.unique(values, return_counts=True)
    return dict(sorted(zip(map(str, found.tolist()), counts.tolist(), strict=True)))


def _artefacts(
    rows: Observations, pairs: Iterable[Pair], scopes: Sequence[str]
) -> tuple[ArtefactStats, ...]:
    gathered = Artefacts()
    columns = (rows.scopes, rows.targets, rows.questions, rows.typicality)
    counts = Counter(zip(*(column.tolist() for column in columns), strict=True))
    for (scope, target, question, label), count in counts.items():
        gathered.row(scope, target, question or None, label or None, count)
    for pair in pairs:
        gathered.pair(pair)
    return gathered.cells(scopes)


def _same_split(rows: Observations) -> float | None:
    """Compute the share of documents whose splits are all at one offset; None without rows."""
    if not len(rows):
        return None
    names, first = np.unique(rows.documents, return_index=True)
    return round(float(rows.same_split[first].sum()) / len(names), 6)
