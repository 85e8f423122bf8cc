"""Rows of probe parquet files that fulfil some conditions.

Only the columns of the conditions are read for every row; the chosen rows are read in full, from
the row groups that hold them.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING

from compiler.dataset.columns import band_of
from compiler.dataset.rows import REQUIRED, PublishedRow, batches, require, translated
from compiler.errors import SourceError, UsageError, known

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

BANDS = ("hard", "middle", "easy")
_SCORES = "bb_answer_rollout_scores"
# Columns from which the id of a row without `probe_id` is computed.
_IDENTITY = (
    *("round_idx", "doc_id", "slot_idx"),
    *("scope", "split_char_offset", "verbalizer_prompt", "atom_text"),
)
# Texts that repeat on the rows of a document stay dictionaries until a row is converted.
_REPEATED = ["doc", "context"]


@dataclass(frozen=True)
class Selection:
    """Conditions on a row, of which all must hold; an empty one always holds.

    `ids`: prefixes of probe ids; `flags`: at least one must be raised. `by_score`: from the lowest
    to the highest maximum score, rows without scores last; else in the order of the files.
    `reverse`: from the highest score to the lowest.
    """

    ids: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    targets: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    rounds: tuple[int, ...] = ()
    flags: tuple[str, ...] = ()
    by_score: bool = False
    reverse: bool = False

    def columns(self) -> dict[str, str]:
        """Return the columns that it reads, with the option that needs each."""
        return {
            **({"scope": "--scope"} if self.scopes else {}),
            **({"target": "--target"} if self.targets else {}),
            **({"round_idx": "--round"} if self.rounds else {}),
            **({"flags": "--flag"} if self.flags else {}),
            **({_SCORES: "--sort"} if self.by_score else {}),
            **({_SCORES: "--band"} if self.bands else {}),
        }


@dataclass(frozen=True)
class Selected:
    """The chosen rows, the number of rows that fulfil the conditions, and the number of all."""

    rows: tuple[PublishedRow, ...]
    matching: int
    total: int


@dataclass(frozen=True, order=True)
class _Place:
    """A row that fulfils the conditions; places sort in the order of the result."""

    rank: float
    file: int
    group: int
    row: int


def select(
    files: Sequence[Path], wanted: Selection, bands: tuple[float, float], count: int | None
) -> Selected:
    """Select at most `count` rows; None for all. `bands`: bounds of HARD and EASY.

    Raises:
        SourceError: a file is not of probes, or lacks the column of a condition.
        UsageError: no row has a wanted id, scope, round or flag.
    """
    import pyarrow.parquet as pq

    best: list[_Place] = []
    matching = total = 0
    for number, file in enumerate(files):
        with translated(file), pq.ParquetFile(file) as table:
            columns = _columns(table, file, wanted)
            for group in range(table.num_row_groups):
                rows = table.metadata.row_group(group).num_rows
                total += rows
                if columns:
                    batch = _batch(table, group, columns)
                    own, ranks = _matches(batch, wanted, bands, count)
                    matching += own
                else:
                    ranks = [(0.0, row) for row in range(rows if count is None else count)][:rows]
                    matching += rows
                best += [_Place(rank, number, group, row) for rank, row in ranks]
            if count is not None:
                best = heapq.nsmallest(count, best)
    if not matching and total:
        _require_known(files, wanted)
    return Selected(tuple(_read(files, sorted(best))), matching, total)


def _batch(table: pq.ParquetFile, group: int, columns: Sequence[str]) -> pa.RecordBatch:
    """Read columns of a row group as one batch."""
    import pyarrow as pa

    read = table.read_row_group(group, columns=[*columns])
    arrays = [column.combine_chunks() for column in read.columns]
    return pa.RecordBatch.from_arrays(arrays, schema=read.schema)


def _columns(table: pq.ParquetFile, file: Path, wanted: Selection) -> list[str]:
    """Return the columns to read for the conditions.

    Raises:
        SourceError: the file lacks one, or is not of probes.
    """
    shape = table.schema_arrow
    require(shape.names, REQUIRED, file)
    needed = wanted.columns()
    for column, option in needed.items():
        if column not in shape.names:
            raise SourceError(
                f"the rows have no column {column!r}, which {option} reads",
                where=str(file),
                hint=f"leave {option} out",
            )
        _require_type(shape.field(column).type, column, file)
    if wanted.ids:
        own = ("probe_id",) if "probe_id" in shape.names else _IDENTITY
        needed |= {column: "ID" for column in own if column in shape.names}
    return [*needed]


def _require_type(kind: pa.DataType, column: str, file: Path) -> None:
    import pyarrow.types as of

    lists = of.is_list(kind) or of.is_large_list(kind)
    fits = {
        _SCORES: lists and (of.is_floating(kind.value_type) or of.is_null(kind.value_type)),
        "flags": lists and (of.is_string(kind.value_type) or of.is_large_string(kind.value_type)),
        "round_idx": of.is_integer(kind) or of.is_floating(kind),
    }
    text = of.is_dictionary(kind) or of.is_string(kind) or of.is_large_string(kind)
    if not fits.get(column, text):
        raise SourceError(f"the column {column!r} has the type {kind}", where=str(file))


def _matches(
    batch: pa.RecordBatch, wanted: Selection, bands: tuple[float, float], count: int | None
) -> tuple[int, list[tuple[float, int]]]:
    """Return the number of rows that match, and (rank, row) of the first `count` of them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    scores = _maxima(batch[_SCORES]) if wanted.by_score or wanted.bands else None
    mask = pa.array([True]).take(pa.array([0] * batch.num_rows))
    for column, values in (("scope", wanted.scopes), ("target", wanted.targets)):
        if values:
            among = pc.is_in(batch[column].cast(pa.string()), pa.array(values))
            mask = pc.and_(mask, among)
    if wanted.rounds:
        rounds = pa.array(wanted.rounds, pa.float64())
        mask = pc.and_(mask, pc.is_in(batch["round_idx"].cast(pa.float64()), rounds))
    if wanted.flags:
        mask = pc.and_(mask, _raised(batch["flags"], wanted.flags))
    if wanted.ids:
        mask = pc.and_(mask, _named(batch, wanted.ids))
    if scores is not None and wanted.bands:
        mask = pc.and_(mask, pc.fill_null(_in_bands(scores, wanted.bands, bands), False))
    rows = pc.indices_nonzero(mask)
    if scores is None or not wanted.by_score:
        return len(rows), [(0.0, row) for row in rows[:count].to_pylist()]
    own = scores.take(rows)
    direction = "descending" if wanted.reverse else "ascending"
    order = pc.array_sort_indices(own, order=direction)[:count]
    sign = -1 if wanted.reverse else 1
    return len(rows), [
        (float("inf") if score is None else sign * score, row)
        for score, row in zip(
            own.take(order).to_pylist(), rows.take(order).to_pylist(), strict=True
        )
    ]


def _maxima(scores: pa.Array) -> pa.Array:
    """Return the maximum of each list of scores; null without any."""
    import pyarrow as pa
    import pyarrow.compute as pc

    flat = pc.list_flatten(scores).cast(pa.float64())
    table = pa.table({"row": pc.list_parent_indices(scores), "score": flat})
    grouped = table.group_by("row").aggregate([("score", "max")])
    rows = pa.array(range(len(scores)), grouped["row"].type)
    found = grouped["score_max"].combine_chunks()
    return found.take(pc.index_in(rows, grouped["row"].combine_chunks()))


def _in_bands(scores: pa.Array, wanted: Sequence[str], bands: tuple[float, float]) -> pa.Array:
    import pyarrow as pa

    return pa.array(
        [score is not None and band_of(score, *bands) in wanted for score in scores.to_pylist()],
        pa.bool_(),
    )


def _raised(flags: pa.Array, wanted: Sequence[str]) -> pa.Array:
    """Test each list of flags for one of those that are wanted."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parents = pc.list_parent_indices(flags)
    among = pc.is_in(pc.list_flatten(flags), pa.array(wanted, flags.type.value_type))
    return pc.is_in(pa.array(range(len(flags)), parents.type), parents.filter(among))


def _named(batch: pa.RecordBatch, prefixes: Sequence[str]) -> pa.Array:
    """Test the id of each row for one of the prefixes."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "probe_id" in batch.schema.names:
        ids = batch["probe_id"].cast(pa.string())
    else:
        ids = pa.array([PublishedRow(values).key for values in batch.to_pylist()], pa.string())
    found = [pc.fill_null(pc.starts_with(ids, prefix), False) for prefix in prefixes]
    mask = found[0]
    for each in found[1:]:
        mask = pc.or_(mask, each)
    return mask


def _require_known(files: Sequence[Path], wanted: Selection) -> None:
    """Refuse a value that no row has, after nothing matched.

    Raises:
        UsageError: there is one.
    """
    for option, column, values in (
        ("--scope", "scope", wanted.scopes),
        ("--round", "round_idx", wanted.rounds),
        ("--flag", "flags", wanted.flags),
    ):
        have = _distinct(files, column) if values else []
        unknown = [each for each in map(str, values) if each not in have]
        if unknown:
            hint = known(unknown[0], have) if have else "they have none at all"
            raise UsageError(f"no row has {option} {unknown[0]}", hint=hint)
    if wanted.ids:
        others = len(wanted.columns()) > wanted.by_score
        raise UsageError(
            f"no row {'that fulfils the conditions ' if others else ''}has a probe id that begins "
            f"with {' or '.join(wanted.ids)}",
            hint="the id of a row is its column `probe_id`, and is shown above it",
        )


def _distinct(files: Sequence[Path], column: str) -> list[str]:
    found: set[object] = set()
    for batch in (each for file in files for each in batches(file, (), (column,))):
        for value in batch[column].to_pylist():
            found.update(value if isinstance(value, list) else [value])
    return sorted(str(each) for each in found - {None})


def _read(files: Sequence[Path], places: Sequence[_Place]) -> Iterator[PublishedRow]:
    """Read these rows in full, in their order."""
    import pyarrow.parquet as pq

    found: dict[_Place, PublishedRow] = {}
    by_group = sorted(places, key=lambda each: (each.file, each.group))
    for (number, group), own in groupby(by_group, key=lambda each: (each.file, each.group)):
        mine = list(own)
        file = files[number]
        with translated(file), pq.ParquetFile(file, read_dictionary=_REPEATED) as table:
            chosen = table.read_row_group(group).take([each.row for each in mine])
        for place, values in zip(mine, chosen.to_pylist(), strict=True):
            found[place] = PublishedRow(values)
    yield from (found[place] for place in places)
