"""Sections of tables: the statistics as terminal, card and page show them.

A table holds values; a column says how they are written. The renderers (`terminal`, `markdown`,
`html`) know nothing of statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

from compiler.report import numbers
from compiler.statistics.measures.intervals import Interval

# Stands in the columns over which a row is pooled or summed.
ALL = "all"


@dataclass(frozen=True)
class Column:
    """A head and the way in which its values are written. `words`: aligned as text."""

    name: str
    show: Callable[..., str] = str
    words: bool = False


@dataclass(frozen=True)
class Table:
    """One statistic: rows of values, a value for each column.

    `meaning`: one sentence for a reader who sees it for the first time. `watch`: a finding that
    deserves attention.
    """

    name: str
    title: str
    meaning: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    watch: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        """The heads of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows as text."""
        return tuple(
            tuple(column.show(value) for column, value in zip(self.columns, row, strict=True))
            for row in self.rows
        )


@dataclass(frozen=True)
class Section:
    """Tables on one subject. `notes`: statements that need no table, and absences explained."""

    name: str
    title: str
    lead: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = field(default=())

    def table(self, name: str) -> Table | None:
        """The table of that name, if the section has it."""
        return next((each for each in self.tables if each.name == name), None)


def word(name: str) -> Column:
    """A column of words."""
    return Column(name, str, words=True)


def count(name: str) -> Column:
    """A column of whole numbers."""
    return Column(name, numbers.count)


def score(name: str) -> Column:
    """A column of numbers with three decimals."""
    return Column(name, numbers.score)


def estimate(name: str) -> Column:
    """A column of numbers with their intervals."""
    return Column(name, numbers.estimate)


def percent(name: str) -> Column:
    """A column of shares."""
    return Column(name, numbers.percent)


def percent_estimate(name: str) -> Column:
    """A column of shares with their intervals."""
    return Column(name, numbers.percent_estimate)


def value(name: str) -> Column:
    """A column of numbers of different kinds, each written by its type."""
    return Column(name, _value)


def bar(name: str) -> Column:
    """A column of shares drawn as bars of text."""
    return Column(name, lambda part: "#" * round(40 * part), words=True)


def rows(found: Iterable[Sequence[object]]) -> tuple[tuple[object, ...], ...]:
    """Rows of a table."""
    return tuple(tuple(row) for row in found)


def _value(found: object) -> str:
    if isinstance(found, Interval):
        return numbers.estimate(found)
    if isinstance(found, float):
        return numbers.score(found)
    if isinstance(found, int):
        return numbers.count(found)
    return numbers.MISSING if found is None else str(found)
