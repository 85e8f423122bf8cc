"""A selection of rows, read from the query of a URL: filters, search, order and page."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from compiler.errors import UsageError

PAGE = 50
"""Rows in one page of the list."""

# Filters by equality: name in the query -> column of the table.
EQUAL: Mapping[str, str] = {"scope": "scope", "target": "target", "band": "band", "round": "round"}
_ORDERS: Mapping[str, str] = {
    "file": "place",
    "score": "score NULLS LAST, place",
    "-score": "score DESC NULLS LAST, place",
    "gain": "gain DESC NULLS LAST, place",
    "loss": "gain NULLS LAST, place",
}


@dataclass(frozen=True)
class Selection:
    """Filters, order and page.

    `equal`: (column, value); `flag`: one that the row must have; `text`: to be found in question,
    atom or answer, in any case; `low`, `high`: of the score, low <= score < high, where a `high` of
    1 includes 1; `changed`: another band beside; `offset`: of the page's first row.
    """

    equal: tuple[tuple[str, str], ...] = ()
    flag: str = ""
    text: str = ""
    low: float | None = None
    high: float | None = None
    changed: bool = False
    order: str = "file"
    offset: int = 0

    def where(self, *, without: str = "") -> tuple[str, list[object]]:
        """Return the condition in SQL and its parameters; `without`: a filter to leave out."""
        parts, values = ["true"], list[object]()
        for column, value in self.equal:
            if column != without:
                parts.append(f"{column} = ?")
                values.append(int(value) if column == "round" else value)
        if self.flag and without != "flag":
            parts.append("list_contains(flags, ?)")
            values.append(self.flag)
        if self.text:
            parts.append("contains(words, lower(?))")
            values.append(self.text)
        if without != "score":
            if self.low is not None:
                parts.append("score >= ?")
                values.append(self.low)
            if self.high is not None:
                parts.append("score <= ?" if self.high >= 1 else "score < ?")
                values.append(self.high)
        if self.changed:
            parts.append("changed")
        return " AND ".join(parts), values

    @property
    def by(self) -> str:
        """The order in SQL."""
        return _ORDERS[self.order]


def parse(query: Mapping[str, str]) -> Selection:
    """Read a selection from the query of a URL; unknown names are left alone.

    Raises:
        UsageError: a value is of the wrong kind.
    """
    equal = tuple((column, query[name]) for name, column in EQUAL.items() if query.get(name))
    if not query.get("round", "0").isdecimal():
        raise UsageError(f"round {query['round']!r} is not a number")
    order = query.get("sort") or "file"
    if order not in _ORDERS:
        raise UsageError(f"no order {order!r}", hint=f"have: {', '.join(_ORDERS)}")
    offset = query.get("offset") or "0"
    if not offset.isdecimal():
        raise UsageError(f"offset {offset!r} is not a number")
    return Selection(
        equal,
        query.get("flag", ""),
        query.get("text", ""),
        _real(query, "low"),
        _real(query, "high"),
        query.get("changed") == "1",
        order,
        int(offset),
    )


def _real(query: Mapping[str, str], name: str) -> float | None:
    text = query.get(name)
    try:
        return float(text) if text else None
    except ValueError:
        raise UsageError(f"{name} {text!r} is not a number") from None
