"""Rows of any probe parquet, ours or a stranger's, read back into probes with what they lack noted.

A foreign file may hold float indices, nulls, empty strings and no spans: nothing here raises on
them. What cannot be known is None, and the checks that need it do not apply.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, cast

from compiler.errors import SourceError, in_a_line
from compiler.records import GROUPS, Probe, Side

if TYPE_CHECKING:
    import pyarrow as pa

REQUIRED = ("doc", "scope", "target", "context", "atom_text", "verbalizer_prompt", "doc_id")


@dataclass(frozen=True)
class PublishedRow:
    """One row with its values by column; absent columns read as None."""

    values: Mapping[str, object]

    def text(self, name: str) -> str:
        """A text, empty if null or absent."""
        value = self.values.get(name)
        return value if isinstance(value, str) else ""

    def optional(self, name: str) -> str | None:
        """A text, or None if null or absent."""
        value = self.values.get(name)
        return value if isinstance(value, str) else None

    def number(self, name: str) -> int | None:
        """An integer, also from an integral float; None if null, absent or no whole number."""
        value = self.values.get(name)
        if isinstance(value, float) and math.isfinite(value) and value.is_integer():
            return int(value)
        return value if isinstance(value, int) and not isinstance(value, bool) else None

    def no_number(self, name: str) -> bool:
        """Whether there is a value that is no whole number; null and NaN are no value."""
        value = self.values.get(name)
        nothing = value is None or (isinstance(value, float) and math.isnan(value))
        return not nothing and self.number(name) is None

    def real(self, name: str) -> float | None:
        """A finite number, or None."""
        value = self.values.get(name)
        if isinstance(value, int | float) and math.isfinite(value):
            return float(value)
        return None

    def items(self, name: str) -> list[object] | None:
        """A list, or None."""
        value = self.values.get(name)
        return value if isinstance(value, list) else None

    @property
    def group(self) -> str:
        """The split group of the row's scope, as in the published dataset."""
        scope = self.text("scope")
        return scope if scope in GROUPS else "word_lens"

    @property
    def target(self) -> Side | None:
        """The side of the atom."""
        value = self.text("target")
        return cast(Side, value) if value in ("prefix", "suffix") else None

    def span(self) -> tuple[int, int] | None:
        """Where the atom lies: as declared, else its first place on the target side."""
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
            # The nearest one to the split, so that a lens atom is found where it touches it.
            found = doc.rfind(atom, 0, max(0, split))
        else:
            found = doc.find(atom, max(0, split))
        return (found, found + len(atom)) if found >= 0 else None

    def probe(self) -> Probe | None:
        """The row as a probe; None when it has no span or no target."""
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
        )


def files(path: Path) -> list[Path]:
    """The parquet files of a path: itself, or those below a directory, of a dataset those of its
    `data`; what is hidden is no part of it.

    Raises:
        SourceError: there are none.
    """
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
            "no parquet file there", where=str(path), hint="a file, or a dataset directory"
        )
    return found


def read(file: Path) -> Iterator[PublishedRow]:
    """The rows of one parquet file, streamed.

    Raises:
        SourceError: the file is no parquet, or lacks a column without which no row can be judged.
    """
    for batch in batches(file, REQUIRED, None, 512):
        for values in batch.to_pylist():
            yield PublishedRow(values)


def batches(
    file: Path, required: Sequence[str], columns: Sequence[str] | None, size: int = 8192
) -> Iterator[pa.RecordBatch]:
    """One parquet file in batches of `size` rows, with those of `columns` that it has (None: all).

    Raises:
        SourceError: the file is no parquet, or lacks a column of `required`.
    """
    import pyarrow.parquet as pq

    with translated(file), pq.ParquetFile(file) as table:
        have = table.schema_arrow.names
        missing = [name for name in required if name not in have]
        if missing:
            raise SourceError(
                f"no column {', '.join(map(repr, missing))}",
                where=str(file),
                hint="this is no probe dataset",
            )
        wanted = None if columns is None else [name for name in columns if name in have]
        yield from table.iter_batches(batch_size=size, columns=wanted)


def inexact_indices(file: Path, names: frozenset[str]) -> dict[str, str]:
    """Which of these columns the file holds as anything but integers, with their types."""
    import pyarrow.parquet as pq
    import pyarrow.types

    with translated(file):
        shape = pq.read_schema(file)
    types = {name: shape.field(name).type for name in shape.names if name in names}
    return {name: str(kind) for name, kind in types.items() if not pyarrow.types.is_integer(kind)}


@contextmanager
def translated(file: Path) -> Iterator[None]:
    """What goes wrong in reading a parquet file, as our error.

    Raises:
        SourceError: always instead of the library's own.
    """
    import pyarrow

    try:
        yield
    except (pyarrow.ArrowException, OSError) as error:
        raise SourceError(f"not a parquet file: {in_a_line(error)}", where=str(file)) from None
