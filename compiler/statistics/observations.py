"""Published rows as columns of numbers, the input of every statistic about rows.

One row per probe, in any order. Rows of a build and rows of a parquet file, of this project or
another, give the same numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import chain, islice
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.records import ProbeFact

Floats: TypeAlias = npt.NDArray[np.float64]
Ints: TypeAlias = npt.NDArray[np.int64]
Bools: TypeAlias = npt.NDArray[np.bool_]
Names: TypeAlias = npt.NDArray[np.str_]

# Rows converted at a time: as Python objects, all rows of a full build take half a gigabyte.
BLOCK = 8192
_COLUMNS = (
    *("rounds", "slots", "scopes", "targets", "typicality", "distances", "support"),
    *("others", "chars", "same_split", "leaking", "questions", "split_kinds", "levels"),
    *("attested", "origins"),
)
# The statuses of rows that have blind scores.
SCORED = ("scored", "decided")
# Checks of leaking rows: the complement or the question gives the answer away.
LEAKS = frozenset({"V14", "V28"})


class Observations(Struct, frozen=True):
    """n probes as columns. Missing integers are -1, missing numbers NaN.

    `names`: document ids, sorted; `documents`: the place of each row's document among them, (n,).
    `scopes`, `targets`, `typicality` (empty for none), `statuses`: names, (n,).
    `scores`: blind scores by rollout, (n, K), padded with NaN; `seconds`: the same answers scored
    against target_response. `baselines`: scores by baseline, (n, its rollouts). `distances`: from
    the split, in units of the scope. `support`: other siblings that hold the atom's content;
    `others`: all other siblings. `chars`: characters of atom, response, alternative, and of the
    answers on average, (n, 4). `same_split`: all splits of the document are at one offset.
    `leaking`: flagged by a check of LEAKS. `questions`: digests of written questions, else empty.
    `split_kinds`: line, sentence, within, or empty; `origins`: human, generated, straddling, or
    empty. `levels`: of the search for an alternative.
    `attested`: attestations of atom and alternative in held-out documents, (n, 2). `flags`: rows
    by flag.
    """

    names: Names
    documents: Ints
    rounds: Ints
    slots: Ints
    scopes: Names
    targets: Names
    typicality: Names
    statuses: Names
    scores: Floats
    seconds: Floats
    baselines: dict[str, Floats]
    distances: Ints
    support: Ints
    others: Ints
    chars: Ints
    same_split: Bools
    leaking: Bools
    questions: Names
    split_kinds: Names
    origins: Names
    levels: Ints
    attested: Ints
    flags: Counter[str]

    def __len__(self) -> int:
        return len(self.documents)

    def ids(self, rows: Ints | slice = slice(None)) -> Names:
        """Return the document id of each of some rows, or of all."""
        found: Names = self.names[self.documents[rows]]
        return found

    @property
    def rollouts(self) -> int:
        """K, the largest number of scores of a row."""
        return int(self.scores.shape[1])

    def has_scores(self) -> Bools:
        """Mark the rows with blind scores: all K, or fewer after early stopping; shape (n,)."""
        return np.isin(self.statuses, SCORED)

    def common(self) -> int:
        """Count the rollouts that every row with blind scores has; 0 without such a row.

        Early stopping leaves some rows with fewer than K. Statistics that grow with the number of
        rollouts use the first rollouts of each row, up to this number.
        """
        counts = np.count_nonzero(~np.isnan(self.scores[self.has_scores()]), axis=1)
        return int(counts.min()) if len(counts) else 0

    def order_of_scopes(self, known: Sequence[str]) -> list[str]:
        """List the scopes that have rows: those of `known` in their order, then others by name."""
        have = set(np.unique(self.scopes).tolist())
        return [name for name in known if name in have] + sorted(have - set(known))


def gather(rows: Iterable[ProbeFact]) -> Observations:
    """Convert rows to columns as a stream, with a few hundred bytes of memory per row."""
    waiting = iter(rows)
    return joined(block(some) for some in iter(lambda: list(islice(waiting, BLOCK)), []))


def block(rows: Sequence[ProbeFact]) -> Observations:
    """Convert some rows to columns."""

    def names(values: list[str | None] | list[str]) -> Names:
        return np.array([value or "" for value in values], dtype=np.str_)

    def integers(values: list[int | None] | list[int]) -> Ints:
        return np.array([-1 if value is None else value for value in values], dtype=np.int64)

    chars = list(chain.from_iterable(row.chars for row in rows))
    ids = sorted({row.doc_id for row in rows})
    places = {name: place for place, name in enumerate(ids)}
    return Observations(
        names=np.array(ids, dtype=np.str_),
        documents=np.array([places[row.doc_id] for row in rows], dtype=np.int64),
        rounds=integers([row.round for row in rows]),
        slots=integers([row.slot for row in rows]),
        scopes=names([row.scope for row in rows]),
        targets=names([row.target for row in rows]),
        typicality=names([row.typicality for row in rows]),
        statuses=names([row.status for row in rows]),
        scores=_padded([row.scores or () for row in rows]),
        seconds=_padded([row.seconds or () for row in rows]),
        baselines={
            name: _padded([row.baselines.get(name, ()) for row in rows])
            for name in {name for row in rows for name in row.baselines}
        },
        distances=integers([row.distance for row in rows]),
        support=integers([row.support for row in rows]),
        others=integers([row.n_others for row in rows]),
        chars=integers(chars).reshape(len(rows), 4),
        same_split=np.array([row.same_split for row in rows], dtype=np.bool_),
        leaking=np.array([not LEAKS.isdisjoint(row.flags) for row in rows], dtype=np.bool_),
        questions=names([row.question for row in rows]),
        origins=names([row.origin for row in rows]),
        split_kinds=names([row.split_kind for row in rows]),
        levels=integers([row.level for row in rows]),
        attested=integers([n for row in rows for n in row.attested or (-1, -1)]).reshape(-1, 2),
        flags=Counter(chain.from_iterable(row.flags for row in rows)),
    )


def joined(parts: Iterable[Observations]) -> Observations:
    """Concatenate columns."""
    # An empty block makes the columns of no rows.
    found = [block([]), *parts]
    names = sorted({name for part in found for name in part.baselines})
    absent = [np.full((len(part), 0), np.nan) for part in found]
    tables = {
        name: _stacked(
            [each.baselines.get(name, gap) for each, gap in zip(found, absent, strict=True)]
        )
        for name in names
    }
    scores = _stacked([part.scores for part in found])
    flags: Counter[str] = Counter()
    for part in found:
        flags.update(part.flags)
    ids = np.unique(np.concatenate([part.names for part in found]))

    def column(name: str) -> npt.NDArray[Any]:
        return np.concatenate([getattr(part, name) for part in found])

    return Observations(
        names=ids,
        documents=np.concatenate(
            [np.searchsorted(ids, part.names)[part.documents] for part in found]
        ),
        **{name: column(name) for name in _COLUMNS},
        statuses=_exact(column("statuses"), scores),
        scores=scores,
        seconds=_stacked([part.seconds for part in found]),
        baselines=tables,
        flags=Counter(dict(sorted(flags.items()))),
    )


def _exact(statuses: Names, scores: Floats) -> Names:
    """Set "partial" for "scored" rows with fewer than K scores, and "decided" rows without any.

    A file of another project may state any status.
    """
    counts = np.count_nonzero(~np.isnan(scores), axis=1)
    short = (statuses == "scored") & (counts < scores.shape[1])
    return np.where(short | (np.isin(statuses, SCORED) & (counts == 0)), "partial", statuses)


def padded(lengths: Ints, numbers: Floats) -> Floats:
    """Return rows of these lengths, padded with NaN. `numbers`: those of all rows."""
    found = np.full((len(lengths), lengths.max(initial=0)), np.nan)
    found[np.arange(found.shape[1]) < lengths[:, None]] = numbers
    return found


def _padded(rows: Sequence[Sequence[float]]) -> Floats:
    lengths = np.fromiter(map(len, rows), np.int64, len(rows))
    return padded(lengths, np.fromiter(chain.from_iterable(rows), np.float64, lengths.sum()))


def _stacked(tables: Sequence[Floats]) -> Floats:
    """Stack tables of different width, padded with NaN."""
    width = max(table.shape[1] for table in tables)
    wide = (0, 0)
    return np.concatenate(
        [
            np.pad(table, (wide, (0, width - table.shape[1])), constant_values=np.nan)
            for table in tables
        ]
    )
