"""Claims that stand in tables, histograms and lists, found by header cells and labels.

A table is a grid: its key columns (scope, round, role, ...) say what a row is about, its measure
columns hold numbers. `| word | 240 | 114 | 126 |` under `scope | built | prefix | suffix` claims
built of word, built of word's prefix targets, and so on. A row called `all` or `total` is about
less. A table whose rows are told apart by something unknown is not read for sums.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from compiler.checking.claims.claim import Claim, Keys, keys
from compiler.checking.claims.number import NUMBER, leading
from compiler.checking.claims.page import Page
from compiler.checking.claims.table import Line, Table, tables

KEYS = {
    "scope": "scope",
    "target": "target",
    "side": "target",
    "typicality": "typicality",
    "round": "round",
    "role": "role",
    "reason": "reason",
    "status": "status",
}
# Header of a measure column -> claim, and what the column itself adds to the key.
MEASURES: dict[str, tuple[str, Keys]] = {
    **dict.fromkeys(("built", "n", "n in this build", "probes", "rows"), ("built", ())),
    "prefix": ("built", (("target", "prefix"),)),
    "suffix": ("built", (("target", "suffix"),)),
    "typical": ("labelled", (("typicality", "typical"),)),
    "atypical": ("labelled", (("typicality", "atypical"),)),
    "planned": ("planned", ()),
    **dict.fromkeys(("rejected", "dropped", "lost"), ("rejected", ())),
    "scored": ("scored", ()),
    **dict.fromkeys(("unscored", "not scored"), ("unscored", ())),
    "calls": ("calls", ()),
    **dict.fromkeys(("tokens in", "input tokens"), ("tokens_in", ())),
    **dict.fromkeys(("tokens out", "output tokens"), ("tokens_out", ())),
    **dict.fromkeys(("us$", "usd", "cost", "dollars"), ("usd", ())),
    **dict.fromkeys(("mean of max", "mean"), ("mean", ())),
    **dict.fromkeys(("std", "sd"), ("std", ())),
    "hard": ("hard", ()),
    "easy": ("easy", ()),
}
_WORDS = {"model": "model", "scoring path": "scoring_path", "scoring": "scoring_path"}
_TOTALS = frozenset({"all", "total", "sum", "any", "pooled"})
# Tables about something else than the dataset's own rows: their counts do not add up to it.
_APART = re.compile(
    r"control|anchor|baseline|sample|re-?judge|calibrat|ladder|interval|example|source", re.I
)
_LOST = re.compile(r"not built|reject|dropped|\blost\b|slot", re.I)
# At the start of a line: an interval in a cell is written alike.
_BIN = re.compile(
    r"[ |`*-]*\[ ?(?P<low>[0-9.]{1,8}), ?(?P<high>[0-9.]{1,8}) ?(?P<close>[\])])[ |`]*"
    rf"(?P<count>{NUMBER})[ |]*\(? *(?P<share>{NUMBER})?"
)
_UNSCORED = re.compile(rf"[-*] +(?P<scope>[a-z_]+): +(?P<count>{NUMBER}) +(?P<status>[a-z_]+)")


def read(page: Page) -> Iterator[Claim]:
    """The claims of every table, histogram and list of statuses."""
    for table in tables(page.lines):
        column, kind = table.place("column", "field", "name"), table.place("type", "dtype")
        if column is not None and kind is not None:
            yield from _schema(page, table, column, kind)
        else:
            yield from _grid(page, table)
    yield from _bins(page)
    yield from _statuses(page)


def _schema(page: Page, table: Table, column: int, kind: int) -> Iterator[Claim]:
    """`type`: what the card's own table gives; `meaning`: what it says of it."""
    meaning = table.place("meaning", "description")
    for row in table.rows:
        name, typed = row.cell(column), row.cell(kind)
        if name is None or typed is None or not name.plain:
            continue
        of = keys({"column": name.plain})
        yield page.word("type", typed.plain, row.number, typed.column, of)
        said = row.cell(meaning) if meaning is not None else None
        if said is not None and said.text:
            yield page.word("meaning", said.text, row.number, said.column, of)


def _grid(page: Page, table: Table) -> Iterator[Claim]:
    places = {n: KEYS[head] for n, head in enumerate(table.header) if head in KEYS}
    measures = {n: _measure(table, head) for n, head in enumerate(table.header)}
    apart = _APART.search(f"{table.heading} {table.before}") and not _is_skips(table)
    if not places or apart:
        return
    about = [_about(row, places) for row in table.rows]
    if max(Counter(about).values(), default=1) > 1:
        return  # something else tells these rows apart
    gaps = {place for place in range(len(table.header)) if _has_gap(table, place, places)}
    for row, of in zip(table.rows, about, strict=True):
        for place, cell in enumerate(row.cells):
            measure = measures.get(place)
            if place in places or not cell.text:
                continue
            if measure is not None:
                found = leading(cell.text)
                if found is not None:
                    name, more = measure
                    column = cell.column + found[1]
                    about_it = keys(dict(of + more))
                    claim = page.number_at(name, found[0], row.number, column, about_it, table.line)
                    yield replace(claim, partial=place in gaps)
            elif place < len(table.header) and table.header[place] in _WORDS:
                name = _WORDS[table.header[place]]
                yield page.word(name, cell.plain, row.number, cell.column, of)


def _is_skips(table: Table) -> bool:
    """Whether it lists what was lost by reason: of the source (skipped), or of the plan."""
    return "reason" in table.header and "count" in table.header


def _measure(table: Table, head: str) -> tuple[str, Keys] | None:
    if head == "count" and "reason" in table.header:
        planned = "scope" in table.header or _LOST.search(table.before)
        return ("rejected" if planned else "skipped", ())
    if head == "count" and "status" in table.header:
        return ("in_status", ())
    return MEASURES.get(head)


def _about(row: Line, places: dict[int, str]) -> Keys:
    """What a row is about; a total is about less, an empty cell is about nothing known."""
    said = {key: _text(row, place) for place, key in places.items()}
    return keys({key: value for key, value in said.items() if value not in _TOTALS})


def _has_gap(table: Table, place: int, keyed: dict[int, str]) -> bool:
    """Whether a column lacks a number in a row that is not a total."""
    for row in table.rows:
        total = any(_text(row, n) in _TOTALS for n in keyed)
        if not total and leading(_text(row, place)) is None:
            return True
    return False


def _text(row: Line, place: int) -> str:
    cell = row.cell(place)
    return cell.plain.casefold() if cell is not None else ""


def _bins(page: Page) -> Iterator[Claim]:
    """`bin` (a count) and `bin_share` (in percent) of each bin: `[0.0, 0.2)`."""
    block, last = 0, -1
    for number, line in enumerate(page.lines, 1):
        found = _BIN.match(line)
        if not found:
            continue
        block = block if number == last + 1 else number
        last = number
        of = keys({"bin": f"[{found['low']}, {found['high']}{found['close']}"})
        for name, group in (("bin", "count"), ("bin_share", "share")):
            if found[group] and (group == "count" or "%" in found[group]):
                yield page.number_at(name, found[group], number, found.start(group) + 1, of, block)


def _statuses(page: Page) -> Iterator[Claim]:
    """The list under `Not scored:`: `- word: 240 local`."""
    inside = False
    for number, line in enumerate(page.lines, 1):
        found = _UNSCORED.match(line)
        if found and inside:
            of = keys({"scope": found["scope"], "status": found["status"]})
            yield page.number_at("unscored", found["count"], number, found.start("count") + 1, of)
        elif line.strip():
            inside = re.match(r"\W*not scored", line, re.I) is not None
