"""The columns of published rollouts, and their parquet files."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from compiler.engine.artifact import RowDigest
from compiler.errors import SourceError, StoreError, in_a_line
from compiler.rollouts.rows import Rollout

if TYPE_CHECKING:
    import pyarrow as pa

COLUMNS: Mapping[str, tuple[str, str]] = {
    "doc_id": ("string", "id of the corpus's text"),
    "doc_source": ("string", "origin of the text"),
    "prefix": ("string", "the human-written beginning that was continued"),
    "continuation": ("string", "the source model's continuation, after all cuts"),
    "doc_idx": ("int64", "number of the sibling, 0..n-1"),
    "seed": ("int64", "seed of its request"),
    "source_model": ("string", "the model as the server names it"),
    "finish_reason": ("string", "the server's reason for the end: `stop`, `length`"),
    "n_tokens": ("int64", "generated tokens as the server counted them, before cuts"),
    "prefix_tokens": ("int64", "tokens of the prefix; null without a tokenizer"),
    "retokenizes": ("bool", "the tokens of prefix + continuation begin with those of the prefix"),
    "raw_chars": ("int64", "characters of the reply before cuts"),
    "cut_char": ("int64", "characters that were kept of it; null if nothing was cut at its end"),
    "cut_reason": ("string", "the first filter that cut; null for a whole reply"),
    "coverage4": ("float64", "share of tokens inside four in a row that occurred earlier"),
    "worst60": ("float64", "largest share of repeated tokens in a window of 60"),
    "zlib_ratio": ("float64", "compressed size relative to the text"),
    "cohesion_min": ("float64", "least cohesion of a sentence boundary with all before it"),
    "cohesion_at": ("int64", "offset of that boundary in the continuation"),
    "sibling_overlap": ("float64", "largest share of 3-word runs shared with another sibling"),
    "detached": ("bool", "the tail behind that boundary leaves the topic"),
}
"""Name -> (type, meaning), in order."""
LEDGER, REJECTED, FACTS = "ledger.json", "rejected.jsonl", "facts.json"
"""The files beside published rollouts: statistics, rejected continuations, facts of the card."""
_MARKS = frozenset(("prefix", "continuation", "doc_idx", "sibling_overlap"))


def schema() -> pa.Schema:
    """Return the Arrow schema of published rollouts."""
    import pyarrow as pa

    kinds = {
        "string": pa.string(),
        "int64": pa.int64(),
        "float64": pa.float64(),
        "bool": pa.bool_(),
    }
    return pa.schema([pa.field(name, kinds[kind]) for name, (kind, _) in COLUMNS.items()])


def write(
    out: BinaryIO,
    canonical: RowDigest,
    rows: Iterable[Rollout],
    row_group_rows: int,
    compression_level: int,
) -> None:
    """Write rows as one parquet file, and append the layout and each row to `canonical`."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    shape = schema()
    canonical.append([row_group_rows, compression_level])
    with pq.ParquetWriter(
        out,
        shape,
        compression="zstd",
        compression_level=compression_level,
        write_page_index=True,
    ) as writer:
        for group in _groups(rows, row_group_rows):
            for row in group:
                canonical.append(row)
            values = [msgspec.structs.asdict(row) for row in group]
            writer.write_table(pa.Table.from_pylist(values, schema=shape))


def content_digest(path: Path, row_group_rows: int, compression_level: int) -> str:
    """Compute the content digest of a published file from its rows.

    Raises:
        StoreError: the file cannot be read, or has other columns.
    """
    found = RowDigest()
    found.append([row_group_rows, compression_level])
    try:
        for row in read(path):
            found.append(row)
    except SourceError as error:
        raise StoreError(error.message, where=error.where) from error
    return found.hexdigest()


def files(path: Path) -> list[Path]:
    """List the parquet files of a dataset directory, or the file itself."""
    return sorted((path / "data").glob("*.parquet")) if path.is_dir() else [path]


def are_rollouts(path: Path) -> bool:
    """Test if a file or dataset directory holds rollouts, from the columns of its first file."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files(path)[:1]:
        try:
            return set(pq.read_schema(file).names) >= _MARKS
        except (pa.ArrowException, OSError):
            return False  # its reader reports what is wrong with it
    return False


def read(path: Path) -> Iterator[Rollout]:
    """Yield the rows of a file.

    Raises:
        SourceError: it cannot be read, or has other columns.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as table:
            if not table.schema_arrow.equals(schema()):
                raise SourceError("it has other columns", where=str(path), hint="build it again")
            for batch in table.iter_batches(batch_size=512):
                for row in batch.to_pylist():
                    yield Rollout(**row)
    except (pa.ArrowException, OSError, ValueError) as error:
        raise SourceError(f"it cannot be read: {in_a_line(error)}", where=str(path)) from error


def documents(paths: Iterable[Path], most: int) -> list[list[Rollout]]:
    """Read the first documents of published files, each with its continuations."""
    found: dict[str, list[Rollout]] = {}
    for path in paths:
        for row in read(path):
            if row.doc_id not in found and len(found) == most:
                return [*found.values()]
            found.setdefault(row.doc_id, []).append(row)
    return [*found.values()]


def _groups(rows: Iterable[Rollout], size: int) -> Iterator[list[Rollout]]:
    waiting = iter(rows)
    while group := list(islice(waiting, size)):
        yield group
