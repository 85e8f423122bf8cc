"""Columns of a probe parquet file as arrays of numbers.

A value of another type than the expected one counts as missing, as a null does.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as kinds

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Names = npt.NDArray[np.str_]
# Above any index, and within the 64 bits of a column of integers.
_LARGE = 2**62


def column(batch: pa.RecordBatch, name: str) -> pa.Array:
    """Return a column of a batch without dictionary encoding; nulls if the batch lacks it."""
    if name not in batch.schema.names:
        return pa.nulls(len(batch))
    found = batch[name]
    return found.dictionary_decode() if kinds.is_dictionary(found.type) else found


def numbers(values: pa.Array, missing: float = 0) -> npt.NDArray[Any]:
    """Return a column of numbers, with another number for null, shape (n,)."""
    found: npt.NDArray[Any] = values.fill_null(missing).to_numpy(zero_copy_only=False)
    return found


def valid(values: pa.Array) -> npt.NDArray[np.bool_]:
    """Mark the values that are not null, shape (n,)."""
    return numbers(values.is_valid(), False)


def listed(values: pa.Array) -> list[Any]:
    """Return a column as a list; a dictionary-encoded one is decoded first, which is faster."""
    encoded = kinds.is_dictionary(values.type)
    found: list[Any] = (values.dictionary_decode() if encoded else values).to_pylist()
    return found


def is_text(values: pa.Array) -> bool:
    """Return True if a column has the type of texts."""
    return bool(kinds.is_string(values.type) or kinds.is_large_string(values.type))


def texts(values: pa.Array) -> pa.Array:
    """Return a column of texts; empty for a missing one."""
    if not is_text(values):
        values = pa.nulls(len(values), pa.string())
    return values.cast(pa.large_string()).fill_null("")


def integers(values: pa.Array) -> Ints:
    """Return integers, also from integral floats; -1 for a missing one, shape (n,)."""
    if not (kinds.is_integer(values.type) or kinds.is_floating(values.type)):
        return np.full(len(values), -1)
    found = numbers(values)
    inside = (found > -_LARGE) & (found < _LARGE) & valid(values)
    whole = np.where(inside, found, 0).astype(np.int64)
    return np.where(inside & (whole == found), whole, -1)


def scores(values: pa.Array) -> tuple[Ints, Floats]:
    """Return the length of each list of numbers in [0, 1], and all numbers one after another.

    A list with another member counts as missing: its length is 0.
    """
    lengths, parents, flat = members(values)
    kind = flat.type
    if not (kinds.is_integer(kind) or kinds.is_floating(kind) or kinds.is_boolean(kind)):
        return np.zeros(len(values), np.int64), np.empty(0)
    found = numbers(flat.cast(pa.float64(), safe=False), np.nan)
    lengths[parents[~((found >= 0) & (found <= 1))]] = 0
    return lengths, found[lengths[parents] > 0]


def members(values: pa.Array) -> tuple[Ints, Ints, pa.Array]:
    """Return the length of each list, and the row and the value of each member of any list."""
    kind = values.type
    if not (kinds.is_list(kind) or kinds.is_large_list(kind) or kinds.is_fixed_size_list(kind)):
        return np.zeros(len(values), np.int64), np.empty(0, np.int64), pa.nulls(0)
    parents = numbers(pc.list_parent_indices(values)).astype(np.int64)
    return np.bincount(parents, minlength=len(values)), parents, pc.list_flatten(values)


class Coded(NamedTuple):
    """A column of names: the place of each value among the names, shape (n,), and the names."""

    codes: npt.NDArray[np.int32]
    names: list[str]

    @classmethod
    def of(cls, values: pa.Array, text: Callable[[object], str] = str) -> Coded:
        """Encode a column. `text` converts each distinct value, None for null."""
        if not kinds.is_dictionary(values.type):
            values = values.dictionary_encode(null_encoding="encode")
        names = [text(each) for each in values.dictionary.to_pylist()]
        return cls(numbers(values.indices).astype(np.int32), names)

    def among(self, names: Collection[str]) -> npt.NDArray[np.bool_]:
        """Mark the values that are some of the names, shape (n,)."""
        return np.array([each in names for each in self.names], dtype=np.bool_)[self.codes]

    def occurring(self, rows: npt.NDArray[Any] | slice = slice(None)) -> list[str]:
        """Return the distinct names of some rows, or of all, in the order of the names."""
        return [*dict.fromkeys(self.names[code] for code in np.unique(self.codes[rows]).tolist())]

    def values(self) -> Names:
        """Return the name of each value."""
        found: Names = np.array(self.names, dtype=np.str_)[self.codes]
        return found


def lengths(values: pa.Array) -> Ints:
    """Return the number of characters of each text; 0 for a missing one."""
    if not is_text(values):
        return np.zeros(len(values), np.int64)
    return numbers(pc.utf8_length(values)).astype(np.int64)


def sizes(values: pa.Array) -> Ints:
    """Return the number of bytes of each text in UTF-8."""
    return numbers(pc.binary_length(values)).astype(np.int64)


def mean_lengths(values: pa.Array) -> Ints:
    """Return the mean number of characters of each list's texts, rounded down; -1 without any."""
    _, parents, flat = members(values)
    known = valid(flat) & is_text(flat)
    counts = np.bincount(parents[known], minlength=len(values))
    sums = np.bincount(parents[known], lengths(flat)[known], minlength=len(values))
    return np.where(counts > 0, sums // np.maximum(counts, 1), -1).astype(np.int64)
