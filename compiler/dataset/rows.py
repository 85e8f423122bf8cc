"""Rows of a probe parquet file, written by probec or by another tool, read back into probes.

Files of other tools may have float indices, nulls, empty strings and no spans, none of which is an
error here. Unknown values are None, and checks that need them do not apply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from msgspec import Struct

from compiler.dataset.columns import identity
from compiler.errors import SourceError, in_a_line, nearest_file
from compiler.keys import digest
from compiler.records import GROUPS, Probe, Side

if TYPE_CHECKING:
    import pyarrow as pa

REQUIRED = ("doc", "scope", "target", "context", "atom_text", "verbalizer_prompt", "doc_id")


class PublishedRow(Struct, frozen=True):
    """One row: its values by column. A column that the file lacks reads as null."""

    values: Mapping[str, object]

    def text(self, name: str) -> str:
        """Return a text, empty if null or absent."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def optional(self, name: str) -> str | None:
        """Return a text, None if null or absent."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """Return an integer, also from an integral float; None for any other value."""
        value = self.values.get(name)
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def no_number(self, name: str) -> bool:
        """Return True for a value that is not an integer; null and NaN count as no value."""
        value = self.values.get(name)
        nothing = value is None or (isinstance(value, float) and math.isnan(value))
        return not nothing and self.number(name) is None

    def real(self, name: str) -> float | None:
        """Return a finite number, None for any other value."""
        value = self.values.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        return None

    def items(self, name: str) -> list[object] | None:
        """Return a list, None for any other value."""
        value = self.values.get(name)
        return value if isinstance(value, list) else None

    @property
    def key(self) -> str:
        """The probe's id: as stated, else computed from its round, document and slot.

        A row without a slot has a digest of its document, place and texts.
        """
        stated = self.text("probe_id")
        if stated:
            return stated
        doc_id, slot = self.text("doc_id"), self.number("slot_idx")
        if slot is not None:
            return identity(self.number("round_idx") or 0, doc_id, slot)
        scope, split = self.text("scope"), self.number("split_char_offset")
        question, atom = self.text("verbalizer_prompt"), self.text("atom_text")
        return digest("probe", [doc_id, scope, split, question, atom])[:24]

    @property
    def group(self) -> str:
        """The split group of the row's scope in the published dataset; word_lens by default."""
        scope = self.text("scope")
        return scope if scope in GROUPS else "word_lens"

    @property
    def target(self) -> Side | None:
        """The side that holds the atom, None if the row names no side."""
        value = self.text("target")
        return cast(Side, value) if value in ("prefix", "suffix") else None

    def span(self) -> tuple[int, int] | None:
        """Return the atom's span in `doc`, code points [start, end); None if unknown.

        Without span columns it is the occurrence of `atom_text` on the target side nearest to the
        split.
        """
        start, end = self.number("atom_start"), self.number("atom_end")
        if start is not None and end is not None:
            return start, end
        if "atom_start" in self.values or "atom_end" in self.values:
            return None
        atom, split = self.text("atom_text"), self.number("split_char_offset")
        if not atom or split is None or self.target is None:
            return None
        doc = self.text("doc")
        if self.target == "prefix":
            # The last occurrence, because a lens atom may end at the split.
            found = doc.rfind(atom, 0, max(0, split))
        else:
            found = doc.find(atom, max(0, split))
        return (found, found + len(atom)) if found >= 0 else None

    def probe(self) -> Probe | None:
        """Convert the row to a probe; None if it has no span or no target."""
        span, target = self.span(), self.target
        if span is None or target is None:
            return None
        typicality = self.text("typicality")
        labels = ("typical", "atypical")
        return Probe(
            self.text("doc_id"),
            self.number("slot_idx") or 0,
            self.text("scope"),
            target,
            *span,
            self.text("verbalizer_prompt"),
            self.text("target_response"),
            self.text("incorrect_plausible_answer"),
            cast(Literal["typical", "atypical"], typicality) if typicality in labels else None,
            self.number("abs_index"),
            self.number("signed_index"),
            self.number("signed_index_hint"),
            self.number("actual_word_distance_from_split") or 0,
            self.optional("synergy_check"),
            self.optional("distribution_check"),
            self.optional("difficulty_check"),
            self.number("n_tokens_actual"),
            self.optional("tokenizer"),
            self.optional("template_id"),
            None,
            None,
            self.number("sibling_support"),
            (),
            self._attested(),
        )

    def _attested(self) -> tuple[int, int] | None:
        atom, other = self.number("atom_attested"), self.number("alternative_attested")
        return None if atom is None or other is None else (atom, other)


def files(path: Path) -> list[Path]:
    """Return the parquet files of a path, sorted; hidden ones are left out.

    The path is a file, a dataset directory, whose `data` is searched, or any other directory.

    Raises:
        SourceError: there are none, or the path is a build directory, which holds several datasets.
    """
    if (path / "datasets").is_dir() and (path / "objects").is_dir():
        have = sorted(str(each) for each in (path / "datasets").iterdir() if each.is_dir())
        raise SourceError(
            "a build directory, not a dataset",
            where=str(path),
            hint=f"name one of {', '.join(have)}",
        )
    if path.is_dir():
        folder = path / "data" if (path / "data").is_dir() else path
        found = sorted(
            file
            for file in folder.rglob("*.parquet")
            if not any(part.startswith(".") for part in file.relative_to(folder).parts)
        )
    else:
        found = [path]
    if not found or not found[0].is_file():
        raise SourceError(
            "no parquet file there",
            where=str(path),
            hint=f"{nearest_file(path)}name a file or a dataset directory",
        )
    return found


def read(file: Path) -> Iterator[PublishedRow]:
    """Yield the rows of one parquet file.

    Raises:
        SourceError: the file is not parquet, or lacks one of `REQUIRED`.
    """
    for batch in batches(file, REQUIRED, None, 512):
        for values in batch.to_pylist():
            yield PublishedRow(values)


def batches(
    file: Path,
    required: Sequence[str],
    columns: Sequence[str] | None,
    size: int = 8192,
    encoded: Sequence[str] = (),
) -> Iterator[pa.RecordBatch]:
    """Yield one parquet file in batches of `size` rows.

    `columns`: those to read, as far as the file has them; None for all. `encoded`: columns of texts
    that stay dictionary-encoded, as repeated texts are stored.

    Raises:
        SourceError: the file is not parquet, or lacks a column of `required`.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    with translated(file):
        schema = pq.read_schema(file)
    kinds = {name: schema.field(name).type for name in encoded if name in schema.names}
    texts = [name for name, kind in kinds.items() if kind in (pa.string(), pa.large_string())]
    with translated(file), pq.ParquetFile(file, read_dictionary=texts) as table:
        have = table.schema_arrow.names
        require(have, required, file)
        wanted = None if columns is None else [name for name in columns if name in have]
        yield from table.iter_batches(batch_size=size, columns=wanted)


def table(files: Sequence[Path], columns: Sequence[str] | None) -> pa.Table:
    """Read the rows of parquet files as one table, in the order of the files.

    `columns`: those to read, in this order; None for all.

    Raises:
        SourceError: a file is not parquet, or lacks a column.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    for file in files:
        have = names(file)
        for name in columns or ():
            if name not in have:
                raise SourceError(
                    f"no column {name!r}", where=str(file), hint=f"have: {', '.join(have)}"
                )
    found = []
    for file in files:
        with translated(file):
            found.append(pq.read_table(file, columns=None if columns is None else [*columns]))
    read = pa.concat_tables(found, promote_options="default")
    return read if columns is None else read.select([*columns])


def require(have: Sequence[str], required: Sequence[str], file: Path) -> None:
    """Refuse a file that lacks a column.

    Raises:
        SourceError: it does.
    """
    missing = [name for name in required if name not in have]
    if missing:
        raise SourceError(
            f"no column {', '.join(map(repr, missing))}",
            where=str(file),
            hint="this is not a probe dataset: check the path",
        )


def names(file: Path) -> list[str]:
    """Return the names of a file's columns.

    Raises:
        SourceError: the file is not parquet.
    """
    import pyarrow.parquet as pq

    with translated(file):
        return list(pq.read_schema(file).names)


def count(file: Path) -> int:
    """Return the number of a file's rows.

    Raises:
        SourceError: the file is not parquet.
    """
    import pyarrow.parquet as pq

    with translated(file):
        return int(pq.read_metadata(file).num_rows)


def stated(file: Path, key: str) -> str:
    """Return an entry of a file's own metadata; empty without it.

    Raises:
        SourceError: the file is not parquet.
    """
    import pyarrow.parquet as pq

    with translated(file):
        found = (pq.read_schema(file).metadata or {}).get(key.encode("utf-8"), b"")
    return bytes(found).decode("utf-8", "replace")


def inexact_indices(file: Path, names: frozenset[str]) -> dict[str, str]:
    """Return those of the columns whose type in the file is not an integer, with that type."""
    import pyarrow.parquet as pq
    import pyarrow.types

    with translated(file):
        shape = pq.read_schema(file)
    types = {name: shape.field(name).type for name in shape.names if name in names}
    return {name: str(kind) for name, kind in types.items() if not pyarrow.types.is_integer(kind)}


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """Raise the library's errors about a parquet file as SourceError.

    Raises:
        SourceError: the file cannot be read, or is not parquet.
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(f"not a parquet file: {in_a_line(error)}", where=str(file)) from None
