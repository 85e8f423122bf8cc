"""The probes of a dataset as columns, and single probes as objects.

A full dataset has half a million probes: as objects they take gigabytes. Numbers and names are
arrays, texts are columns of Arrow, and the text of a document is stored once for its rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
import pyarrow as pa

from compiler.dataset import arrays
from compiler.dataset.arrays import Coded
from compiler.errors import UsageError, known
from compiler.keys import digests
from compiler.probes.sampling import rank
from compiler.records import Side
from compiler.statistics.observations import Bools, Floats, Ints

# Probes converted at a time.
_BLOCK = 512


@dataclass(frozen=True, slots=True)
class Item:
    """One probe of the dataset.

    `number`: its row, from 0. `complement`: as the row states it, empty if it is the side of `doc`
    without the target. `blind`, `full`: scores of the blind and the full-information reader, by
    rollout; `answers`: of the blind reader, if they are read. `band`: hard, middle or easy, empty
    without blind scores. `truth`: the text that the alternative was written against. `written`: by
    an LLM, so that a judge scores answers.
    """

    number: int
    key: str
    doc_id: str
    doc_source: str
    doc: str
    scope: str
    target: Side
    typicality: str
    band: str
    question: str
    complement: str
    split: int
    atom: str
    response: str
    alternative: str
    truth: str
    tokenizer: str
    written: bool
    leaking: bool
    blind: tuple[float, ...]
    answers: tuple[str, ...]
    full: tuple[float, ...]

    @property
    def context(self) -> str:
        """The complement."""
        if self.complement:
            return self.complement
        return self.doc[: self.split] if self.target == "suffix" else self.doc[self.split :]

    @property
    def place(self) -> str:
        """The probe, for messages."""
        return f"probe {self.key}"

    @property
    def choices(self) -> tuple[str, str] | None:
        """The atom and its alternative, in an order drawn by the id; None without alternative."""
        if not self.alternative:
            return None
        pair = (self.truth, self.alternative)
        return pair if self.first else (pair[1], pair[0])

    @property
    def first(self) -> bool:
        """True if the truth is the first of the choices."""
        return bool(truths_first([self.key])[0])


def truths_first(keys: Sequence[str]) -> Bools:
    """Mark the probes whose truth is the first of the choices."""
    drawn = [int(each[:2], 16) % 2 == 0 for each in digests("choices", keys)]
    return np.array(drawn, dtype=np.bool_)


def continued(choice: str) -> str:
    """Return an answer as it continues a prompt: behind a space, unless it begins with one."""
    return choice if choice[:1].isspace() else f" {choice}"


class Items(Sequence[Item]):
    """Probes of a dataset in the order of its rows; each is converted when it is read.

    `columns`: the fields of `Item` but its readers' scores; repeated texts are dictionary-encoded.
    `blind`, `full`: scores of the readers by rollout, (n, K), padded with NaN. `places` (n,): of
    the probes among all of the dataset.
    """

    def __init__(self, columns: pa.RecordBatch, blind: Floats, full: Floats, places: Ints) -> None:
        self.columns = columns
        self.blind, self.full, self.places = blind, full, places

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Item]:
        for start in range(0, len(self), _BLOCK):
            rows = slice(start, start + _BLOCK)
            columns = self.columns.slice(start, _BLOCK).to_pylist()
            readers = zip(self.blind[rows].tolist(), self.full[rows].tolist(), strict=True)
            for values, (blind, full) in zip(columns, readers, strict=True):
                answers = tuple(values.pop("answers") or ())
                yield Item(**values, blind=_numbers(blind), answers=answers, full=_numbers(full))

    @overload
    def __getitem__(self, place: int) -> Item: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[Item]: ...

    def __getitem__(self, place: int | slice) -> Item | Sequence[Item]:
        if isinstance(place, slice):
            return self.take(np.arange(len(self))[place])
        return next(iter(self.take(np.array([place]))))

    def take(self, rows: Ints) -> Items:
        """Return the probes of some rows."""
        columns = self.columns.take(pa.array(rows))
        return Items(columns, self.blind[rows], self.full[rows], self.places[rows])

    def texts(self, name: str) -> list[str]:
        """Return a column of texts."""
        return arrays.listed(self.columns[name])

    def named(self, name: str) -> Coded:
        """Return a column of few names."""
        return Coded.of(self.columns[name])

    def flags(self, name: str) -> Bools:
        """Return a column of conditions."""
        found: Bools = self.columns[name].to_numpy(zero_copy_only=False)
        return found


def _numbers(row: list[float]) -> tuple[float, ...]:
    """Return the numbers of a padded row."""
    return tuple(each for each in row if each == each)


@dataclass(frozen=True, slots=True)
class Selection:
    """The probes of an evaluation: of some scopes and bands, of a sample of documents.

    Empty: no restriction. `documents`: 0 for all.
    """

    scopes: tuple[str, ...] = ()
    bands: tuple[str, ...] = ()
    documents: int = 0

    def of(self, items: Items) -> Items:
        """Select among all probes of a dataset; whole documents, the same for equal sizes.

        Raises:
            UsageError: there is no such probe.
        """
        found = self.matching(items)
        if not found.any():
            have = sorted(items.named("scope").occurring())
            for name in self.scopes:
                if name not in have:
                    raise UsageError(f"no probe has the scope {name!r}", hint=known(name, have))
            raise UsageError("no probe is selected", hint="choose other --bands")
        return items if found.all() else items.take(np.flatnonzero(found))

    def matching(self, items: Items) -> Bools:
        """Mark the probes that `of` selects; the result may be empty."""
        found = np.ones(len(items), dtype=np.bool_)
        if self.scopes:
            found &= items.named("scope").among(self.scopes)
        if self.bands and "all" not in self.bands:
            found &= items.named("band").among(self.bands)
        if self.documents:
            documents = items.named("doc_id")
            have = documents.occurring(found)
            ranked = sorted(have, key=lambda name: rank("evaluate", name))
            found &= documents.among(ranked[: self.documents])
        return found
