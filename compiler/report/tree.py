"""Sections of tables, the one description of all statistics for terminal, card and page.

A table holds values, and each column formats its own. The renderers (`terminal`, `markdown`,
`html`) do not depend on the statistics.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from compiler.report import numbers

# Names the rows, and the value columns, that are over all scopes or targets.
ALL = "all"


class Column(Struct, frozen=True):
    """A header and the format of its values. `words`: values are aligned as text."""

    name: str
    show: Callable[..., str] = str
    words: bool = False


class Table(Struct, frozen=True):
    """One statistic: rows with a value for each column.

    `meaning`: one sentence for a reader who sees it for the first time; `watch`: a finding that
    needs attention, and its consequence.
    """

    name: str
    title: str
    meaning: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[object, ...], ...]
    watch: str = ""

    @property
    def header(self) -> tuple[str, ...]:
        """The headers of the columns."""
        return tuple(column.name for column in self.columns)

    @property
    def cells(self) -> tuple[tuple[str, ...], ...]:
        """The rows as formatted text."""
        return tuple(
            tuple(column.show(value) for column, value in zip(self.columns, row, strict=True))
            for row in self.rows
        )


class Section(Struct, frozen=True):
    """Tables on one subject. `notes`: statements without a table, and reasons of absent tables."""

    name: str
    title: str
    lead: str
    tables: tuple[Table, ...]
    notes: tuple[str, ...] = ()


def word(name: str) -> Column:
    """Make a column of words."""
    return Column(name, str, words=True)


def count(name: str) -> Column:
    """Make a column of whole numbers."""
    return Column(name, numbers.count)


def score(name: str) -> Column:
    """Make a column of numbers with three decimals."""
    return Column(name, numbers.score)


def estimate(name: str) -> Column:
    """Make a column of numbers with intervals."""
    return Column(name, numbers.estimate)


def percent(name: str) -> Column:
    """Make a column of shares."""
    return Column(name, numbers.percent)


def percent_estimate(name: str) -> Column:
    """Make a column of shares with intervals."""
    return Column(name, numbers.percent_estimate)


def value(name: str) -> Column:
    """Make a column of numbers of different kinds, each formatted by its type."""
    return Column(name, _value)


def bar(name: str) -> Column:
    """Make a column of shares drawn as bars of text."""
    return Column(name, lambda part: "#" * round(40 * part), words=True)


def beside(named: Mapping[str, Sequence[Section]]) -> Iterator[Table]:
    """Yield the tables of several datasets, with a column that names the dataset.

    It follows the leading words of a row, and rows with the same ones are neighbours. Tables of one
    name stay apart where their columns or meanings differ, as with other bands.
    """
    found: dict[str, dict[tuple[object, ...], dict[str, Table]]] = {}
    for name, sections in named.items():
        for table in (each for section in sections for each in section.tables):
            alike = found.setdefault(table.name, {})
            alike.setdefault((table.header, table.meaning), {})[name] = table
    for tables in (each for alike in found.values() for each in alike.values()):
        yield _joined(tables)


def _joined(tables: Mapping[str, Table]) -> Table:
    first = next(iter(tables.values()))
    keys = next((i for i, each in enumerate(first.columns) if not each.words), len(first.columns))
    joined: dict[tuple[object, ...], list[tuple[object, ...]]] = {}
    for name, table in tables.items():
        for row in table.rows:
            joined.setdefault(row[:keys], []).append((*row[:keys], name, *row[keys:]))
    return replace(
        first,
        columns=(*first.columns[:keys], word("dataset"), *first.columns[keys:]),
        rows=tuple(row for alike in joined.values() for row in alike),
    )


def rows(found: Iterable[Sequence[object]]) -> tuple[tuple[object, ...], ...]:
    """Collect rows of values as tuples."""
    return tuple(tuple(row) for row in found)


def _value(found: object) -> str:
    from compiler.statistics.measures.intervals import Interval

    if isinstance(found, Interval):
        return numbers.estimate(found)
    if isinstance(found, float):
        return numbers.score(found)
    if isinstance(found, int):
        return numbers.count(found)
    return numbers.MISSING if found is None else str(found)
