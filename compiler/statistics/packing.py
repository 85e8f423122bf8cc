"""Columns of consecutive rows as one record, so that a round's rows are gathered once.

Numbers are little-endian bytes, integers as short as the largest of a column allows. Names are
places in a list of the distinct ones.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from msgspec import Struct

from compiler.records import ProbeFact
from compiler.statistics.observations import BLOCK, Observations, block

_INTEGERS = (np.int8, np.int16, np.int32)


class Column(Struct, frozen=True, gc=False):
    """An array of a shape. `names`: those that its numbers are places of, None for numbers."""

    dtype: str
    shape: tuple[int, ...]
    data: bytes
    names: tuple[str, ...] | None = None


class Packed(Struct, frozen=True, gc=False):
    """The fields of `Observations`, of some rows."""

    names: Column
    documents: Column
    rounds: Column
    slots: Column
    scopes: Column
    targets: Column
    typicality: Column
    statuses: Column
    scores: Column
    seconds: Column
    distances: Column
    support: Column
    others: Column
    chars: Column
    same_split: Column
    leaking: Column
    questions: Column
    split_kinds: Column
    origins: Column
    levels: Column
    attested: Column
    baselines: dict[str, Column]
    flags: dict[str, int]


_ARRAYS = [name for name in Packed.__struct_fields__ if name not in ("baselines", "flags")]


class Packer:
    """Rows collected one by one and written as records of a few thousand."""

    def __init__(self, write: Callable[[Packed], None]) -> None:
        """Collect rows for a writer of records."""
        self._write = write
        self._rows: list[ProbeFact] = []

    def append(self, row: ProbeFact) -> None:
        """Add a row."""
        self._rows.append(row)
        if len(self._rows) == BLOCK:
            self.flush()

    def flush(self) -> None:
        """Write the rows that wait."""
        if self._rows:
            self._write(pack(block(self._rows)))
            self._rows.clear()


def pack(rows: Observations) -> Packed:
    """Return columns as a record."""
    return Packed(
        **{name: _packed(getattr(rows, name)) for name in _ARRAYS},
        baselines={name: _packed(scores) for name, scores in rows.baselines.items()},
        flags=dict(rows.flags),
    )


def unpack(packed: Packed) -> Observations:
    """Return the columns of a record."""
    return Observations(
        **{name: _unpacked(getattr(packed, name)) for name in _ARRAYS},
        baselines={name: _unpacked(column) for name, column in packed.baselines.items()},
        flags=Counter(packed.flags),
    )


def _packed(values: npt.NDArray[Any]) -> Column:
    names = None
    if values.dtype.kind == "U":
        found, values = np.unique(values, return_inverse=True)
        names = tuple(found.tolist())
    if values.dtype.kind == "i":
        values = values.astype(_shortest(values))
    stored = values.astype(values.dtype.newbyteorder("<"))
    return Column(stored.dtype.str, stored.shape, stored.tobytes(), names)


def _shortest(values: npt.NDArray[Any]) -> type[np.signedinteger[Any]]:
    low, high = (int(values.min()), int(values.max())) if values.size else (0, 0)
    return next(
        (each for each in _INTEGERS if np.iinfo(each).min <= low and high <= np.iinfo(each).max),
        np.int64,
    )


def _unpacked(column: Column) -> npt.NDArray[Any]:
    stored = np.frombuffer(column.data, column.dtype).reshape(column.shape)
    values: npt.NDArray[Any] = stored.astype(np.int64) if stored.dtype.kind == "i" else stored
    return values if column.names is None else np.array(column.names, dtype=np.str_)[values]
