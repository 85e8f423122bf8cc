"""Claims in tables, found by column heads.

The key columns of a table (scope, round, role) give the subject of a row, its measure columns hold
numbers: `| word | 240 | 114 |` under `| scope | built | prefix |` claims `built` of scope=word and
of scope=word, target=prefix. A row called `all` or `total` is about the whole.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

from compiler.checking.claims.claim import Claim, Keys, keys
from compiler.checking.claims.page import NUMBER, Page

_KEYS = {
    **{name: name for name in ("scope", "target", "round", "role", "reason")},
    "side": "target",
}
# Head of a measure column (several names in cards of other projects) -> its claim, and the key that
# the column adds.
_MEASURES: dict[str, tuple[str, Keys]] = {
    **dict.fromkeys(("built", "n", "n in this build", "probes", "rows"), ("built", ())),
    "prefix": ("built", (("target", "prefix"),)),
    "suffix": ("built", (("target", "suffix"),)),
    "planned": ("planned", ()),
    **dict.fromkeys(("rejected", "dropped", "lost"), ("rejected", ())),
    "scored": ("scored", ()),
    **dict.fromkeys(("unscored", "not scored"), ("unscored", ())),
    "calls": ("calls", ()),
    **dict.fromkeys(("tokens in", "input tokens"), ("tokens_in", ())),
    **dict.fromkeys(("tokens out", "output tokens"), ("tokens_out", ())),
    **dict.fromkeys(("us$", "usd", "cost", "dollars"), ("usd", ())),
    **dict.fromkeys(("mean of max", "expected max", "mean"), ("mean", ())),
    **dict.fromkeys(("std", "sd", "std of max"), ("std", ())),
    "hard": ("hard", ()),
    "easy": ("easy", ()),
}
_TOTALS = frozenset({"all", "total", "sum", "any", "pooled"})
# Sections about other data than the dataset's own rows.
_APART = re.compile(
    r"control|anchor|baseline|sample|judg|alternative|calibrat|example|source", re.I
)
# The number of rollouts of an expected maximum, and thresholds.
_ROLLOUTS = re.compile(r"(?<=expected max) of ([0-9]{1,3})$")
_QUALIFIED = re.compile(rf" \(max(?:imum)? [^()]{{1,20}}\)$|{_ROLLOUTS.pattern}")
_SCORED = frozenset({"scored", "decided"})
_LEADING = re.compile(rf"[\s*]*({NUMBER})(?=$|[\s(\[±|*])")


def read(page: Page) -> Iterator[Claim]:
    """Return the claims of every table."""
    heading, at = "", 0
    while at < len(page.lines):
        line = page.lines[at]
        heading = line if line.startswith("#") else heading
        if "|" in line and at + 1 < len(page.lines) and _is_rule(page.lines[at + 1]):
            after = range(at + 2, len(page.lines))
            end = next((n for n in after if "|" not in page.lines[n]), len(page.lines))
            if not _APART.search(heading):
                yield from _table(page, at, end)
            at = end
        else:
            at += 1


def _is_rule(line: str) -> bool:
    return "-" in line and "|" in line and not set(line) - set("|:- \t")


def _cells(line: str, least: int = 0) -> list[tuple[str, int]]:
    """Split a row into texts and columns (from 0); an escaped pipe belongs to its cell."""
    starts = [-1, *(m.start() for m in re.finditer(r"(?<!\\)\|", line)), len(line)]
    cells = [(line[a + 1 : b], a + 1) for a, b in pairwise(starts)]
    cells = cells[not cells[0][0].strip() :]
    return cells + [("", 0)] * (least - len(cells))


def _table(page: Page, start: int, end: int) -> Iterator[Claim]:
    """Return the claims of one table, unless an unknown column distinguishes its rows.

    A column with an empty cell cannot be added up: only its totals are read. Neither can a table by
    typicality, a label that many rows lack.
    """
    head = [_head(text) for text, _ in _cells(page.lines[start])]
    rows = [_cells(page.lines[n], len(head)) for n in range(start + 2, end)]
    key_places = {n: _KEYS[name] for n, name in enumerate(head) if name in _KEYS}
    if {"scope", "status", "rows"} <= {*head}:
        yield from _statuses(page, start, head, rows)
        return
    about = [_about(row, key_places) for row in rows]
    if not key_places or "typicality" in head or len(set(about)) < len(about):
        return
    path = next((n for n, name in enumerate(head) if name in ("scoring path", "scoring")), None)
    for place, name in enumerate(head):
        measure = _MEASURES.get(name)
        if name == "count" and {"scope", "reason"} <= {*head}:
            measure = ("rejected", ())
        if measure is None:
            continue
        rollouts = _ROLLOUTS.search(_plain(_cells(page.lines[start])[place][0]))
        added = (*measure[1], *((("rollouts", rollouts[1]),) if rollouts else ()))
        numbers = [_LEADING.match(row[place][0]) for row in rows]
        whole = [len(of) < len(key_places) for of in about]
        gap = any(not found and not total for found, total in zip(numbers, whole, strict=True))
        for n, found in enumerate(numbers):
            if found and (whole[n] or not gap):
                column = rows[n][place][1] + found.start(1) + 1
                of = keys(dict(about[n] + added))
                claim = page.on(measure[0], found[1], start + 3 + n, column, of, start + 1)
                judged = path is not None and "judge" in rows[n][path][0].casefold()
                yield replace(claim, judged=judged)


def _statuses(
    page: Page, start: int, head: list[str], rows: list[list[tuple[str, int]]]
) -> Iterator[Claim]:
    """Return the unscored rows of a table by score status."""
    scope, status, count = (head.index(name) for name in ("scope", "status", "rows"))
    for n, row in enumerate(rows):
        found = _LEADING.match(row[count][0])
        if found and _plain(row[status][0]) not in _SCORED:
            of = keys({"scope": _plain(row[scope][0]), "status": _plain(row[status][0])})
            column = row[count][1] + found.start(1) + 1
            yield page.on("unscored", found[1], start + 3 + n, column, of, start + 1)


def _head(text: str) -> str:
    """Return a head without what qualifies it, such as `HARD (max < 0.4)`."""
    return _QUALIFIED.sub("", _plain(text))


def _plain(text: str) -> str:
    return text.strip(" \t*").casefold()


def _about(row: list[tuple[str, int]], key_places: dict[int, str]) -> Keys:
    """Return the subject of a row; a total lacks the keys that it adds up."""
    values = {key: _plain(row[place][0]) for place, key in key_places.items()}
    return keys({key: value for key, value in values.items() if value not in _TOTALS})
