"""The scores of an evaluation: one row per method, control, probe and metric, and of readers.

The rows hold all that the statistics need, so that every reported number can be computed again.
"""

from __future__ import annotations

from collections.abc import Sequence
from operator import attrgetter
from pathlib import Path
from typing import Literal

from msgspec import Struct, structs

from compiler.dataset import score_tables
from compiler.errors import SourceError

Kind = Literal["method", "blind", "fresh", "full"]
Status = Literal["scored", "missing", "judge_failed"]
# The metric of the readers' rows, whatever the scope.
JUDGE = "judge"


class Score(Struct, frozen=True, gc=False):
    """One score.

    `kind`: of a method, or of a reader of the dataset: blind, fresh (blind again, after selection)
    or full information. `sample`: rollout of a reader, -1 for the mean over all answers of a
    method. `score`: None unless scored; `chars`: mean length of the answers, None without any.
    `leaking`: the text or the question gives the answer away; `repeated`: another document has the
    same question.
    """

    kind: Kind
    method: str
    control: str
    probe_id: str
    doc_id: str
    scope: str
    target: str
    typicality: str
    band: str
    metric: str
    sample: int
    score: float | None
    status: Status
    n_samples: int
    chars: float | None
    leaking: bool
    repeated: bool


_FIELDS = tuple(each.name for each in structs.fields(Score))


def written(rows: Sequence[Score]) -> bytes:
    """Return scores as a parquet file."""
    return score_tables.written((name, [*map(attrgetter(name), rows)]) for name in _FIELDS)


def read(file: Path) -> list[Score]:
    """Read scores from a parquet file.

    Raises:
        SourceError: it is not such a file.
    """
    if not file.is_file():
        raise SourceError("no scores there", where=str(file), hint="name an evaluation's directory")
    columns = score_tables.read(file, _FIELDS)
    values: Sequence[Sequence[object]] = [columns[name] for name in _FIELDS]
    return [Score(*row) for row in zip(*values, strict=True)]
