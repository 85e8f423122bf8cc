"""The few facts that a card's YAML front matter declares, read line by line.

Not with a YAML parser: its one door is `spec/load.py`, foreign headers are often not YAML any more
(copied cards lose their indentation), and what is read here is a closed list of `key: value` lines.
A feature is a `name` under `features`; the fields of a struct are not columns. Where the
indentation is lost, a struct's fields are known by their names, which are the split groups'.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from compiler.checking.claims.claim import Claim, keys
from compiler.checking.claims.number import NUMBER
from compiler.checking.claims.page import Page
from compiler.records import GROUPS

_ENTRY = re.compile(r"(?P<indent>[ \t]*)(?P<dash>- +)?(?P<key>[A-Za-z_]\w*):(?: +(?P<value>.*))?")
_NUMBER = re.compile(NUMBER)
_NUMBERS = {
    "num_bytes": "bytes",
    "num_examples": "examples",
    "download_size": "download_size",
    "dataset_size": "dataset_size",
}
_SECTIONS = frozenset({"features", "splits", "configs", "data_files", "size_categories"})


@dataclass(frozen=True, slots=True)
class _Entry:
    line: int
    indent: int
    dash: bool
    key: str
    value: str
    column: int


def span(page: Page) -> tuple[int, int] | None:
    """First and last line (from 1, without the marks) of the front matter, if there is one.

    It may stand below a title: the first block between two lines of `---` whose first line is an
    entry.
    """
    marks = [n for n, line in enumerate(page.lines) if line.rstrip() == "---"]
    for first, last in pairwise(marks):
        if last > first + 1 and _ENTRY.fullmatch(page.lines[first + 1].rstrip()):
            return first + 2, last
    return None


def read(page: Page) -> Iterator[Claim]:
    """The claims of the front matter: none where there is none."""
    block = span(page)
    if block is None:
        return
    entries = list(_entries(page, *block))
    section = split = ""
    for entry in entries:
        if entry.key in _SECTIONS:
            section = entry.key
        if entry.key == "license" and not entry.indent:
            yield page.word("license", entry.value, entry.line, entry.column)
        elif section == "splits" and entry.key == "name":
            split = entry.value
            yield page.word("split", split, entry.line, entry.column)
        elif entry.key in _NUMBERS and _NUMBER.fullmatch(entry.value):
            of = keys({"split": split}) if entry.key.startswith("num_") else ()
            name = _NUMBERS[entry.key]
            yield page.number_at(name, entry.value, entry.line, entry.column, of)
    yield from _size(page, *block)
    yield from _features(page, entries)


def _entries(page: Page, first: int, last: int) -> Iterator[_Entry]:
    for number in range(first, last + 1):
        found = _ENTRY.fullmatch(page.lines[number - 1].rstrip())
        if found:
            indent = len(found["indent"]) + len(found["dash"] or "")
            value = (found["value"] or "").strip()
            quoted = value[:1] in "'\"" and value[-1:] == value[:1] and len(value) > 1
            column = found.start("value") + 1 if found["value"] else found.end() + 1
            yield _Entry(
                *(number, indent, bool(found["dash"]), found["key"]),
                *(value[1:-1] if quoted else value, column + quoted),
            )


def _size(page: Page, first: int, last: int) -> Iterator[Claim]:
    """`size_categories: - 1K<n<10K`."""
    inside = False
    for number in range(first, last + 1):
        line = page.lines[number - 1]
        inside = (inside or line.startswith("size_categories:")) and not (
            inside and re.match(r"\w", line)
        )
        found = re.search(r"[0-9KMBT<>]*n[<>][0-9KMBT]+", line) if inside else None
        if found:
            yield page.word("size_category", found[0], number, found.start() + 1)


def _features(page: Page, entries: list[_Entry]) -> Iterator[Claim]:
    """`declared_type` of each column: its declared type."""
    start = next((n for n, e in enumerate(entries) if e.key == "features"), None)
    if start is None:
        return
    rest = entries[start + 1 :]
    end = next((n for n, e in enumerate(rest) if e.key == "splits"), len(rest))
    names = [n for n, e in enumerate(rest[:end]) if e.dash and e.key == "name"]
    if not names:
        return
    depth = min(rest[n].indent for n in names)
    flat = len({rest[n].indent for n in names}) == 1
    within = False  # a struct whose fields stand at the same depth
    for place, nxt in zip(names, [*names[1:], end], strict=True):
        entry = rest[place]
        if entry.indent > depth or (flat and within and entry.value in GROUPS):
            continue
        kind = _kind(rest[place + 1 : nxt])
        within = kind == "struct"
        of = keys({"column": entry.value})
        yield page.word("declared_type", kind, entry.line, entry.column, of)


def _kind(below: list[_Entry]) -> str:
    """The type under a feature's name, in one word: `int64`, `list<string>`, `struct`."""
    for entry in below:
        if entry.key == "dtype":
            return entry.value
        if entry.key in ("list", "sequence"):
            return f"list<{entry.value or 'struct'}>"
        if entry.key == "struct":
            return "struct"
    return ""
