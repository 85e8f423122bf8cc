"""The scores of an evaluation: one row per method, control, probe and metric, and of readers.

The rows hold all that the statistics need, so that every reported number can be computed again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from compiler.dataset import score_tables
from compiler.dataset.arrays import Coded
from compiler.errors import SourceError
from compiler.statistics.observations import Bools, Floats

Kind = Literal["method", "blind", "fresh", "full"]
Integers = npt.NDArray[np.integer[Any]]
STATUSES = ("scored", "missing", "judge_failed")
# The metric of the readers' rows, whatever the scope.
JUDGE = "judge"


@dataclass(frozen=True)
class Scores:
    """Scores as columns, each of shape (n,).

    `kind`: of a method, or of a reader of the dataset: blind, fresh (blind again, after selection)
    or full information. `sample`: rollout of a reader, -1 for the mean over all answers of a
    method. `score`: NaN unless `status`, one of STATUSES, is scored; `chars`: mean length of the
    answers, NaN without any. `leaking`: the text or the question gives the answer away; `repeated`:
    another document has the same question.
    """

    kind: Coded
    method: Coded
    control: Coded
    probe_id: Coded
    doc_id: Coded
    scope: Coded
    target: Coded
    typicality: Coded
    band: Coded
    metric: Coded
    sample: Integers
    score: Floats
    status: Coded
    n_samples: Integers
    chars: Floats
    leaking: Bools
    repeated: Bools

    def __len__(self) -> int:
        return len(self.score)

    @property
    def columns(self) -> Mapping[str, Any]:
        """The columns by name."""
        return {name: getattr(self, name) for name in FIELDS}


FIELDS = tuple(each.name for each in fields(Scores))


def written(rows: Scores) -> bytes:
    """Return scores as a parquet file."""
    return score_tables.encoded(rows.columns)


def read(file: Path) -> Scores:
    """Read scores from a parquet file.

    Raises:
        SourceError: it is not such a file.
    """
    if not file.is_file():
        raise SourceError("no scores there", where=str(file), hint="name an evaluation's directory")
    columns: Mapping[str, Any] = score_tables.read(file, FIELDS)
    return Scores(**columns)
